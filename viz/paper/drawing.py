"""Drawing on paper: what the matplotlib pictures share.

Pictures for files are drawn by matplotlib, so that no server needs a browser. matplotlib's settings are global:
whoever draws or saves holds `drawing()`.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox

from models import Token
from viz import colours
from viz.labels import runs_left
from viz.options import DrawOptions
from viz.paper.fonts import FIRST_FONT

# Left, top, right and bottom in the units of the axes; rows run down.
Box = tuple[float, float, float, float]

DIMMED = "#808895"
BAR_GAP, BAR_WIDTH = 0.1, 0.13  # inches
# Cells beyond the weights 0, 1/255, ... 1.
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
        "axes.unicode_minus": False,
    }
    with _lock, matplotlib.rc_context(settings), warnings.catch_warnings():
        # `find_fonts` tells the visitor which; the log does not need every one of them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def style_labels(axis: Axis, tokens: list[Token], *, size: float) -> None:
    """Set the size of an axis's token labels and dim the special ones."""
    for text, token in zip(axis.get_ticklabels(), tokens, strict=True):
        text.set(fontsize=size, color=DIMMED if token.special else "black")


def add_title(figure: Figure, lines: Iterable[str], *, size: float) -> int:
    """Set the title above everything and return how many lines it takes: those too wide for the figure are broken."""
    room = 72 * figure.get_figwidth() - size
    broken = [part for line in lines for part in _broken(line, room, FontProperties(size=size))]
    # A line that begins with Hebrew or Arabic would run from right to left as a whole.
    figure.suptitle("\n".join(f"\u200e{line}" if runs_left(line) else line for line in broken), fontsize=size)
    return len(broken)


def _broken(text: str, room: float, font: FontProperties) -> list[str]:
    """Return a text as lines that are no wider than `room` points, broken between words."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_to_path.get_text_width_height_descent(longer, font, ismath=False)[0] <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def add_colour_bar(figure: Figure, axes: Axes, colour_map: Colormap, title: str, *, margin: float = 0.0) -> None:
    """Add the colour bar of weights from 0 to 1, as high as the axes but for a `margin`, a share of their height."""

    def beside(_bar: object, _renderer: object) -> Bbox:
        # Asked whenever it is drawn: axes with square cells find their size last.
        picture = axes.get_position()
        edge, left = margin * picture.height, picture.x1 + BAR_GAP / figure.get_figwidth()
        right = left + BAR_WIDTH / figure.get_figwidth()
        return Bbox([[left, picture.y0 + edge], [right, picture.y1 - edge]])

    bar_axes = axes.inset_axes((1, 0, 0.1, 1))
    bar_axes.set_axes_locator(beside)
    mappable = ScalarMappable(Normalize(0, 1), colour_map)
    bar = figure.colorbar(mappable, cax=bar_axes, ticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    bar.set_label(title, fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_linewidth(0.4)
    # More than 50 colours would become an image; hairlines close the seams between neighbours.
    assert bar.solids is not None
    bar.solids.set(rasterized=False, edgecolor="face", linewidth=0.6)


def draw_maps(
    axes: Axes,
    options: DrawOptions,
    maps: Sequence[tuple[Float[np.ndarray, "row column"], Bool[np.ndarray, "row column"], Box]],
) -> None:
    """Draw maps (weights, mask, box) as vectors; as images, where they have more than `MAX_BOXES` boxes.

    Cells that are masked or not a number have their own colours. All boxes of one colour are one path, which makes a
    file half as large as a path each.
    """
    table = np.vstack(
        [
            colours.table(options.palette, options.scale) / 255,
            to_rgb(colours.masked(options.palette)[1]),
            to_rgb(colours.NOT_A_NUMBER),
        ]
    )
    numbered = [_colour_numbers(weights, mask) for weights, mask, _ in maps]
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
        left, top, right, bottom = boxes[numbers == number].T
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        codes = [Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY]
        paths.append(Path(np.array(corners).transpose(2, 0, 1).reshape(-1, 2), np.tile(codes, len(left))))
    # Hairlines in the cells' own colours close the seams that viewers show between neighbours.
    drawn = PathCollection(paths, facecolors=table[shown], edgecolors=table[shown], linewidths=0.1, zorder=1)
    axes.add_collection(drawn, autolim=False)


def _colour_numbers(
    weights: Float[np.ndarray, "row column"], mask: Bool[np.ndarray, "row column"]
) -> Int[np.ndarray, "row column"]:
    numbers = np.round(np.clip(np.nan_to_num(weights), 0, 1) * 255).astype(int)
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
