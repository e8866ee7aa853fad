"""What one query attends to on a picture, as light: patches without attention are dark."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, UInt8
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as PaperFigure
from PIL import Image

from analysis.patches import light_of
from analysis.selection import Selection, TokenRef
from models import Attention
from models.arguments import checked
from models.errors import BadSelection
from viz.figures.base import Offer, Subject
from viz.figures.one_query import OneQuery
from viz.figures.plotly_text import PLAIN, plotly_text
from viz.labels import head_title, label
from viz.options import DrawOptions
from viz.paper.frame import MARGIN, Frame
from viz.paper.width import refuse_width

# How much of the picture's light the darkest patch loses.
VEIL = 0.85
# Pictures with fewer pixels on their longer side are shown pixel by pixel.
SHARP_SIDE = 64
# Inches of a picture on paper.
USUAL_WIDTH, LEAST_WIDTH = 4.3, 1.2
ENLARGED_SIDE = 256
HOVER = "patch %{y},%{x}<br>weight %{z:.5f}<extra></extra>"


@dataclass(frozen=True)
class PatchView:
    """One query's weights on the patches of a picture, and the picture as the model saw it.

    `query` is the position of the query, None for the mean of all.
    """

    weights: Float[np.ndarray, "row column"]
    image: UInt8[np.ndarray, "height width 3"]
    query: int | None
    title: str
    note: str

    @property
    def largest(self) -> float:
        """The weight that leaves all the light: the scale ends there, because a patch is one of hundreds."""
        return float(np.nanmax(self.weights, initial=np.float32(1e-12)))

    @property
    def patch_height(self) -> float:
        """The height of a patch in its widths."""
        return self.image.shape[0] / self.weights.shape[0] / (self.image.shape[1] / self.weights.shape[1])


def patch_view(att: Attention, image: UInt8[np.ndarray, "height width 3"], selection: Selection) -> PatchView:
    """Return the weights of the isolated query, in the places of the picture.

    Without one: for a vision encoder those of the first added token, or the mean of all; for a text with a picture
    those of the last token, which the model reads to write the next.

    Raises:
        BadSelection: no such layer, head or token, or the keys are not patches.
    """
    (layer, head), token = selection.of_one_head(), selection.token_in(att)
    if not att.key_patches:
        raise BadSelection(
            "Only the attention of a model that reads pictures lies on patches: open one, such as a ViT."
        )
    query = token.position if token and token.side == "query" else usual_query(att)
    if query is None:
        queries, name = slice(None), "the mean of all patches"
    else:
        queries, shown = slice(query, query + 1), att.query_tokens[query]
        is_patch = att.kind != "cross" and any(query in grid.positions for grid in att.key_patches)
        name = f"patch {label(shown)}" if is_patch and not shown.special else label(shown)
        name = name if att.kind == "encoder" or is_patch else f"“{name}” at {query}"
    weights = light_of(att.key_patches, att.weights(layer, head, queries).mean(0))
    share = float(weights.sum(dtype=np.float64))
    parts = ", of the parts and the whole together" if len(att.key_patches) > 1 else ""
    note = f"{share:.0%} of its attention is on patches{parts}, {weights.max():.3f} on the brightest"
    return PatchView(weights, image, query, f"{head_title(att, layer, head)}: {name}", note)


def usual_query(att: Attention) -> int | None:
    """Return the position of the query that is shown if none is isolated, None for the mean of all."""
    if att.kind != "encoder":
        return att.n_query - 1
    return 0 if att.key_patches and att.key_patches[0].first > 0 else None


class Patches(OneQuery[PatchView]):
    """What one query attends to, as light on the picture."""

    name = "patches"
    help = "what one query of one head attends to, as light on the picture"
    offers = (Offer("Attention on the picture"),)
    token_help = "the query that looks, as query:8"
    reads = ("text", "image")
    needs = "image"
    shows_tokens = False

    def fits(self, subject: Subject) -> bool:
        """Return whether the model read a picture."""
        return subject.image is not None and bool(subject.att.key_patches)

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> PatchView:
        """Return one query's weights on the patches."""
        if subject.image is None:
            raise BadSelection("The patches of a picture need the picture: give image=trace.image.")
        return patch_view(subject.att, subject.image, selection)

    def to_plotly(self, view: PatchView, options: DrawOptions) -> go.Figure:
        """Return the picture below a chart of darkness."""
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
            "yaxis": {**axis, "range": [rows - 0.5, -0.5], "scaleanchor": "x", "scaleratio": view.patch_height},
            "height": 420,
            "margin": {"l": 8, "r": 8, "t": 61, "b": 8},
            "plot_bgcolor": "rgba(0,0,0,0)",
            "paper_bgcolor": "rgba(0,0,0,0)",
        }
        return go.Figure(cells, layout)

    def to_paper(self, view: PatchView, options: DrawOptions, width: float | None = None) -> PaperFigure:
        """Return the picture below a veil."""
        rows, columns = view.weights.shape
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        refuse_width("picture", width or USUAL_WIDTH, LEAST_WIDTH)
        wide = width or USUAL_WIDTH
        figure = PaperFigure()
        axes = figure.add_subplot(aspect=view.patch_height)
        veil = LinearSegmentedColormap.from_list("veil", [(0, 0, 0, VEIL), (0, 0, 0, 0)])
        smooth = "none" if max(view.image.shape[:2]) < SHARP_SIDE else None
        placed: dict[str, Any] = {"extent": extent, "aspect": view.patch_height}
        axes.imshow(view.image, interpolation=smooth, **placed)
        axes.imshow(view.weights, cmap=veil, vmin=0, vmax=view.largest, interpolation="none", **placed)
        axes.set_axis_off()
        side = wide - 2 * MARGIN
        high = side * view.image.shape[0] / view.image.shape[1]
        Frame(MARGIN, MARGIN, MARGIN).place(figure, axes, side, high, [view.title, view.note], size=8)
        return figure


@checked
def patches(
    att: Attention,
    image: UInt8[np.ndarray, "height width 3"],
    layer: int,
    head: int,
    *,
    token: TokenRef | str | None = None,
    options: DrawOptions | None = None,
) -> go.Figure:
    """Return the picture in the light of one query's attention as an interactive figure.

    `token` is the query, such as "query:8"; without it, the first added token or the mean of all patches, or the last
    token of a text with a picture.

    Raises:
        BadSelection: no such layer, head or token, or the keys are not patches.
    """
    options, figure = options or DrawOptions(), Patches()
    view = figure.view(Subject(att, image), Selection.parse(layer, head, token=token), options)
    return figure.to_plotly(view, options)


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
