"""Drawing on paper: what the matplotlib pictures share.

Pictures for files are drawn by matplotlib, so that no server needs a browser. matplotlib's settings are global:
whoever draws or saves holds `drawing()`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from models import Token
from viz import colours, style
from viz.options import DrawOptions
from viz.paper.fonts import FIRST_FONT
from viz.paper.frame import BAR_GAP, BAR_NUMBERS, BAR_TITLE, BAR_WIDTH
from viz.shade import DIMMED as DIMMED_TOKEN
from viz.shade import HIDDEN, Shade

# Left, top, right and bottom in the units of the axes; rows run down.
Box = tuple[float, float, float, float]

DIMMED = "#808895"
# Labels of dimmed and hidden tokens, lines over hidden ones, and labels of tokens that the model itself wrote.
FAINT, HATCH_COLOUR, GENERATED = "#b4bac4", "#9aa2ae", "#7b3fa8"
# Cells beyond the 256 colours of weights.
_MASKED, _BAD = 256, 257
# Above this, maps are images: as vectors, an SVG of 20,000 boxes has 2 MB (100 bytes each) and takes 0.3 seconds.
MAX_BOXES = 20_000
_lock = threading.Lock()


@contextmanager
def drawing(families: list[str]) -> Iterator[None]:
    """Hold matplotlib's global settings: text stays text, fonts are embedded, nothing is read as TeX."""
    settings: Any = {
        # Whoever opens an SVG and has none of these fonts still gets one without serifs.
        "font.family": [*families, "sans-serif"],
        "font.sans-serif": [FIRST_FONT],
        "text.parse_math": False,
        "text.usetex": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "headlight",
        "axes.linewidth": 0.6,
        "hatch.linewidth": 0.4,
        "axes.unicode_minus": False,
    }
    with _lock, matplotlib.rc_context(settings), warnings.catch_warnings():
        # `find_fonts` tells the visitor which; the log does not need every one of them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def token_colour(token: Token, level: int = 0) -> str:
    """Return the colour of a token's label: grey if it is special, fainter if it is dimmed or hidden."""
    if level:
        return FAINT
    if token.generated:
        return GENERATED
    return DIMMED if token.special else "black"


def add_colour_bar(figure: Figure, axes: Axes, options: DrawOptions, *, margin: float = 0.0, top: float = 1.0) -> None:
    """Add the colour bar of weights on their scale, which ends at `top`.

    It is as high as the axes but for a `margin`, a share of their height.
    """

    def beside(_bar: object, _renderer: object) -> Bbox:
        # Asked whenever it is drawn: axes with square cells find their size last.
        picture = axes.get_position()
        edge, left = margin * picture.height, picture.x1 + BAR_GAP / figure.get_figwidth()
        right = left + BAR_WIDTH / figure.get_figwidth()
        return Bbox([[left, picture.y0 + edge], [right, picture.y1 - edge]])

    bar_axes = axes.inset_axes((1, 0, 0.1, 1))
    bar_axes.set_axes_locator(beside)
    mappable = ScalarMappable(Normalize(0, 1), colours.matplotlib_map(options.palette))
    places, texts = zip(*colours.scale_ticks(options.scale, top), strict=True)
    bar = figure.colorbar(mappable, cax=bar_axes, ticks=places)
    bar.ax.set_yticks(places, texts)
    bar.set_label(style.SCALES[options.scale], fontsize=BAR_TITLE)
    bar.ax.tick_params(labelsize=BAR_NUMBERS, length=2)
    bar.outline.set_linewidth(0.4)
    # More than 50 colours would become an image; hairlines close the seams between neighbours.
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.6)


def shade_boxes(shade: Shade, box: Box) -> tuple[list[Box], list[Box]]:
    """Return the boxes of dimmed and of hidden cells of a map: whole rows, and columns between them."""
    left, top, right, bottom = box
    high, wide = (bottom - top) / len(shade.queries), (right - left) / len(shade.keys)
    found: tuple[list[Box], list[Box]] = [], []
    for first, last, level in runs(shade.queries):
        y0, y1 = top + first * high, top + last * high
        if level == HIDDEN:
            found[1].append((left, y0, right, y1))
            continue
        for start, stop, of_key in runs(shade.keys):
            shown = max(level, of_key)
            if shown:
                found[0 if shown == DIMMED_TOKEN else 1].append((left + start * wide, y0, left + stop * wide, y1))
    return found


def runs(levels: Int[np.ndarray, " position"]) -> list[tuple[int, int, int]]:
    """Return (first, behind the last, level) of each run of equal levels."""
    edges = [0, *(np.flatnonzero(np.diff(levels.astype(int))) + 1).tolist(), len(levels)]
    return [(start, stop, int(levels[start])) for start, stop in pairwise(edges)]


def draw_shade(axes: Axes, boxes: tuple[list[Box], list[Box]]) -> None:
    """Fade the dimmed cells, and hatch the hidden ones on the page's ground, over the maps."""
    dimmed, hidden = boxes
    if dimmed:
        axes.add_patch(PathPatch(_path_of(dimmed), facecolor="white", alpha=0.66, linewidth=0, zorder=1.5))
    if hidden:
        look = {"facecolor": "white", "edgecolor": HATCH_COLOUR, "hatch": "//////", "linewidth": 0, "zorder": 1.6}
        axes.add_patch(PathPatch(_path_of(hidden), **look))


def _path_of(boxes: Sequence[Box]) -> Path:
    """Return one path around all boxes."""
    left, top, right, bottom = np.array(boxes).T
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY]
    return Path(np.array(corners).transpose(2, 0, 1).reshape(-1, 2), np.tile(codes, len(left)))


def draw_maps(
    axes: Axes,
    options: DrawOptions,
    maps: Sequence[tuple[Float[np.ndarray, "row column"], Bool[np.ndarray, "row column"], Box]],
    top: float = 1.0,
) -> None:
    """Draw maps (weights, mask, box) as vectors; as images, where they have more than `MAX_BOXES` boxes.

    Cells that are masked or not a number have their own colours. All boxes of one colour are one path, which makes a
    file half as large as a path each. The scale ends at `top`.
    """
    table = np.vstack(
        [
            colours.table(options.palette) / 255,
            to_rgb(colours.masked(options.palette)[1]),
            to_rgb(colours.NOT_A_NUMBER),
        ]
    )
    numbered = [_colour_numbers(weights / top, mask, options.scale) for weights, mask, _ in maps]
    found = [_boxes(numbers, box) for numbers, (_, _, box) in zip(numbered, maps, strict=True)]
    if sum(len(numbers) for numbers, _ in found) > MAX_BOXES:
        for numbers, (_, _, (left, top, right, bottom)) in zip(numbered, maps, strict=True):
            axes.imshow(
                table[numbers], extent=(left, right, bottom, top), interpolation="none", aspect=axes.get_aspect()
            )
        return
    numbers, boxes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    shown, paths = np.unique(numbers), []  # the background, number 0, comes first
    for number in shown:
        paths.append(_path_of(boxes[numbers == number]))
    # Hairlines in the cells' own colours close the seams that viewers show between neighbours.
    drawn = PathCollection(paths, facecolors=table[shown], edgecolors=table[shown], linewidths=0.1, zorder=1)
    axes.add_collection(drawn, autolim=False)


def _colour_numbers(
    weights: Float[np.ndarray, "row column"], mask: Bool[np.ndarray, "row column"], scale: str
) -> Int[np.ndarray, "row column"]:
    numbers = colours.table_numbers(weights, scale)
    numbers[np.isnan(weights)] = _BAD
    numbers[~mask] = _MASKED
    return numbers


def _boxes(
    numbers: Int[np.ndarray, "row column"], box: Box
) -> tuple[Int[np.ndarray, " box"], Float[np.ndarray, "box 4"]]:
    """Return colour numbers and places: of the whole map in number 0, then of runs of equal cells of other numbers."""
    left, top, right, bottom = box
    high, wide = (bottom - top) / numbers.shape[0], (right - left) / numbers.shape[1]
    edges = np.ones((numbers.shape[0], numbers.shape[1] + 1), dtype=np.bool_)
    edges[:, 1:-1] = numbers[:, 1:] != numbers[:, :-1]
    row, first = np.nonzero(edges[:, :-1])
    last = np.nonzero(edges[:, 1:])[1] + 1
    boxes = np.stack([left + first * wide, top + row * high, left + last * wide, top + (row + 1) * high], axis=-1)
    drawn = numbers[row, first] != 0
    return np.concatenate([[0], numbers[row, first][drawn]]), np.concatenate([[box], boxes[drawn]])
