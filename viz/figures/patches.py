"""What one query of a picture's model looks at, as light on the picture: what gets no attention lies in the dark."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, UInt8
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from models import Attention
from models.errors import BadSelection
from viz.figures.heatmap import PLAIN, plotly_text
from viz.paper.drawing import DIMMED
from viz.view import Look, head_title, label, token_of

# How much of the picture's light the darkest patch loses.
VEIL = 0.85
# Pictures with fewer pixels on their longer side are shown pixel by pixel.
SHARP_SIDE = 64
ENLARGED_SIDE = 256
HOVER = "patch %{y},%{x}<br>weight %{z:.5f}<extra></extra>"


@dataclass(frozen=True)
class PatchView:
    """One query's weights on the patches of a picture, and the picture as the model saw it."""

    weights: Float[np.ndarray, "row column"]
    image: UInt8[np.ndarray, "height width 3"]
    title: str
    note: str

    @property
    def largest(self) -> float:
        """The weight that leaves all the light: the scale ends there, since a patch is one of hundreds."""
        return float(np.nanmax(self.weights, initial=np.float32(1e-12)))


def patch_view(
    att: Attention, image: UInt8[np.ndarray, "height width 3"], layer: int, head: int, look: Look
) -> PatchView:
    """Return the weights of the query that the look isolates; else those of the first added token, or the mean.

    Raises:
        BadSelection: no such layer, head or token, or the keys are no patches.
    """
    grid, query = _grid(att), query_of_patches(att, look)
    n_added = att.n_key - grid[0] * grid[1]
    if query is None:
        queries, name = slice(None), "the mean of all patches"
    else:
        queries, token = slice(query, query + 1), att.query_tokens[query]
        name = label(token) if token.special or query < n_added else f"patch {label(token)}"
    weights = att.weights(layer, head, queries).mean(0)[n_added:].reshape(grid)
    share = float(weights.sum(dtype=np.float64))
    note = f"{share:.0%} of its attention is on patches, {weights.max():.3f} on the brightest"
    return PatchView(weights, image, f"{head_title(att, layer, head)}: {name}", note)


def query_of_patches(att: Attention, look: Look) -> int | None:
    """Return the query that the look isolates; else the first token if it was added, or None for the mean of all.

    Raises:
        BadSelection: no such token, or the keys are no patches.
    """
    grid, chosen = _grid(att), token_of(att, look)
    if chosen and chosen[0] == "query":
        return chosen[1]
    return 0 if att.n_key > grid[0] * grid[1] else None


def _grid(att: Attention) -> tuple[int, int]:
    if att.key_grid is None:
        raise BadSelection(
            "Only the attention of a model that reads pictures lies on patches: open one, such as a ViT."
        )
    return att.key_grid


def patches(
    att: Attention, image: UInt8[np.ndarray, "height width 3"], layer: int, head: int, *, look: Look | None = None
) -> go.Figure:
    """Return the picture in the light of one query's attention as an interactive figure.

    Raises:
        BadSelection: no such layer, head or token, or the keys are no patches.
    """
    view = patch_view(att, image, layer, head, look or Look())
    rows, columns = view.weights.shape
    cells = go.Heatmap(
        z=view.weights,
        zmin=0,
        zmax=view.largest,
        colorscale=[(0, f"rgba(0,0,0,{VEIL})"), (1, "rgba(0,0,0,0)")],
        showscale=False,
        hovertemplate=HOVER,
    )
    placed = {"xref": "x", "yref": "y", "x": -0.5, "y": -0.5, "sizex": columns, "sizey": rows, "sizing": "stretch"}
    axis = {"visible": False, "constrain": "domain", "fixedrange": True}
    note = f'<span style="font-size:12px">{plotly_text(view.note)}</span>'
    layout = {
        "template": PLAIN,
        "title": {"text": f"{plotly_text(view.title)}<br>{note}", "font": {"size": 15}},
        "images": [{"source": data_address(view.image), "layer": "below", **placed}],
        "xaxis": {**axis, "range": [-0.5, columns - 0.5]},
        "yaxis": {**axis, "range": [rows - 0.5, -0.5], "scaleanchor": "x", "scaleratio": _tallness(view)},
        "height": 420,
        "margin": {"l": 8, "r": 8, "t": 61, "b": 8},
        "plot_bgcolor": "rgba(0,0,0,0)",
        "paper_bgcolor": "rgba(0,0,0,0)",
    }
    return go.Figure(cells, layout)


def _tallness(view: PatchView) -> float:
    """Return the height of a patch in its widths."""
    return view.image.shape[0] / view.weights.shape[0] / (view.image.shape[1] / view.weights.shape[1])


def data_address(image: UInt8[np.ndarray, "height width 3"]) -> str:
    """Return a picture as a data URL: JPEG, since it travels with every head switch; a tiny one to the pixel, as PNG.

    Browsers blur what they enlarge, and eight pixels blurred are no digit; so each becomes a square of its own.
    """
    file = io.BytesIO()
    side = max(image.shape[:2])
    if side < SHARP_SIDE:
        enlarged = ENLARGED_SIDE // side
        Image.fromarray(image.repeat(enlarged, axis=0).repeat(enlarged, axis=1)).save(file, format="PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    Image.fromarray(image).save(file, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def draw_patches(att: Attention, layer: int, head: int, look: Look, image: np.ndarray) -> Figure:
    """Return the same picture for paper; the caller saves it (viz.export)."""
    view = patch_view(att, image, layer, head, look)
    rows, columns = view.weights.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    figure = Figure(figsize=(4.2, 4.2 * image.shape[0] / image.shape[1] + 0.7), layout="constrained")
    axes = figure.add_subplot(aspect=_tallness(view))
    veil = LinearSegmentedColormap.from_list("veil", [(0, 0, 0, VEIL), (0, 0, 0, 0)])
    smooth = "none" if max(view.image.shape[:2]) < SHARP_SIDE else None
    axes.imshow(view.image, extent=extent, aspect=_tallness(view), interpolation=smooth)
    axes.imshow(
        view.weights, extent=extent, cmap=veil, vmin=0, vmax=view.largest, interpolation="none", aspect=_tallness(view)
    )
    axes.set_axis_off()
    axes.set_title(view.title, fontsize=10, pad=16)
    axes.text(0.5, 1.02, view.note, transform=axes.transAxes, ha="center", fontsize=8, color=DIMMED)
    return figure
