"""Colours: for each palette one table of 256 entries for places on a scale from 0 to 1, which every renderer uses.

All palettes are perceptually ordered and safe for colour-blind readers. A scale gives each weight a place: the colour
bar shows it, and hover texts, tables and exports contain the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, to_hex

from viz import style
from viz.style import LINE_OPACITY, LOG_FLOOR, STRONGEST

# "blues" is for paper and light pages, "night" for dark pages.
_NIGHT = LinearSegmentedColormap.from_list("night", ["#0e1420", "#14406f", "#2a86b8", "#8fd3e6", "#f6fdff"])
_SOURCES: dict[str, Colormap] = {
    "blues": colormaps["Blues"],
    "night": _NIGHT,
    "viridis": colormaps["viridis"],
    "cividis": colormaps["cividis"],
    "greys": colormaps["Greys"],
}
PALETTES = tuple(_SOURCES)
# How colours and the opacity of lines follow the weight.
SCALES = tuple(style.SCALES)
# The colour of masked pairs, by name and value: in each palette it differs from the colours of all weights.
_MASKED = {"night": ("grey", "#474d57"), "greys": ("sand", "#dcc08e")}
NOT_A_NUMBER = "#e7298a"
# The ends and the middle of the colours of numbers that may be negative. The middle differs from the ground a little,
# so that a cell is seen.
_SIGNED = {
    "light": ("#9c4100", "#ef8a3c", "#f3f5f7", "#5b9fd3", "#0a3f77"),
    "dark": ("#ffb36b", "#a85413", "#1b222d", "#2a7fb8", "#a6dcf5"),
}
# So much above 1 a weight is 1, rounded.
ROUNDING = 1e-3
# The outline of true pairs: distinct from blue for every kind of colour blindness.
TRUTH = "#f28e2b"
# The lines of several heads. The colours of a ground differ by at least 15 (CIEDE2000) for normal sight and for all
# kinds of colour blindness, and have a contrast of 3 to the ground: found by search, because no published set of eight
# has both.
HEAD_COLOURS: dict[str, tuple[str, ...]] = {
    "light": ("#1111ff", "#bb0000", "#009999", "#999900", "#9977ff", "#883344", "#554477", "#bb6666"),
    "dark": ("#88ccaa", "#aa88ff", "#ddee00", "#885500", "#ffccff", "#aa9933", "#8811ee", "#007766"),
}
# The roles of a conversation's messages: contrast of 4.5 to the ground, because names are written in them. Any other
# role has the last colour.
ROLE_COLOURS: dict[str, dict[str, str]] = {
    "light": {"system": "#5f6b7a", "user": "#0f766e", "assistant": "#b45309", "": "#7c3aed"},
    "dark": {"system": "#aab4c2", "user": "#2dd4bf", "assistant": "#fbbf24", "": "#c4b5fd"},
}
# Dashes and gaps in pixels: the first heads have whole lines, the next eight long dashes, the last eight short ones.
HEAD_DASHES: tuple[tuple[int, ...], ...] = ((), (8, 4), (2, 3))
# As many heads differ by colour and dash. Of more, a picture draws the first ones.
MOST_HEADS = len(HEAD_COLOURS["light"]) * len(HEAD_DASHES)


def masked(palette: str) -> tuple[str, str]:
    """Return the name and the value of the colour of masked pairs."""
    return _MASKED.get(palette, ("grey", "#b9bec6"))


def place_on_scale(weight: np.ndarray | float, scale: str) -> Float[np.ndarray, ...]:
    """Return where weights from 0 to 1 stand between the ends of a scale, 0 to 1; NaN stays NaN."""
    clipped = np.clip(np.asarray(weight, dtype=np.float64), 0, 1)
    if scale == "log":
        return 1 - np.log10(np.maximum(clipped, LOG_FLOOR)) / np.log10(LOG_FLOOR)
    return clipped if scale == "linear" else np.sqrt(clipped)


def top_of(weights: Float[np.ndarray, ...], mask: Bool[np.ndarray, ...] | None = None) -> float:
    """Return the weight at which a picture's scale ends: 1, or its largest weight if that is above 1.

    Weights that are infinite or not a number do not count, nor do those where `mask` is False.
    """
    shown = np.isfinite(weights) if mask is None else np.isfinite(weights) & mask
    largest = float(np.max(weights, initial=0.0, where=shown))
    return largest if largest > 1 + ROUNDING else 1.0


def top_note(top: float) -> list[str]:
    """Return what a picture says of a scale that does not end at 1."""
    return [] if top == 1 else [style.TOP.format(top=f"{top:.3g}")]


def colour_numbers(weights: Float[np.ndarray, ...]) -> UInt8[np.ndarray, ...]:
    """Return the bytes that stand for weights from 0 to 1: exact to 1/254, and finer near 0; NaN becomes 0."""
    return np.round(np.sqrt(np.clip(np.nan_to_num(weights), 0, 1)) * STRONGEST).astype(np.uint8)


def table(palette: str, n_colours: int = 256) -> UInt8[np.ndarray, "colour 3"]:
    """Return red, green and blue (0 to 255) for `n_colours` places on a scale from 0 to 1, at equal distances."""
    return np.round(_SOURCES[palette](np.linspace(0, 1, n_colours))[:, :3] * 255).astype(np.uint8)


def table_numbers(weights: Float[np.ndarray, ...], scale: str) -> Int[np.ndarray, ...]:
    """Return the entries of a `table` of 256 colours that show weights on a scale; NaN becomes 0."""
    return np.round(np.nan_to_num(place_on_scale(weights, scale)) * 255).astype(int)


def scale_ticks(scale: str, top: float = 1.0) -> list[tuple[float, str]]:
    """Return (place from 0 to 1, weight in words) of the numbers beside a bar of colours, as the browser has them.

    `top` is the weight at the end of the scale.
    """
    if scale == "log":
        powers = range(round(np.log10(LOG_FLOOR)), 1)
        texts = [np.format_float_positional(float(f"{top * 10.0**power:.3g}"), trim="-") for power in powers]
        return [(1 - power / powers[0], text) for power, text in zip(powers, [f"≤{texts[0]}", *texts[1:]], strict=True)]
    weights = (0, 0.2, 0.4, 0.6, 0.8, 1) if scale == "linear" else (0, 0.05, 0.1, 0.25, 0.5, 1)
    return [(float(place_on_scale(weight, scale)), f"{float(f'{top * weight:.3g}'):g}") for weight in weights]


def plotly_scale(palette: str) -> list[tuple[float, str]]:
    """Return the table as a Plotly colour scale of places on a scale."""
    colours = table(palette)
    steps = sorted({*range(0, 256, 5), 255})
    return [(step / 255, to_hex(colours[step] / 255)) for step in steps]


def matplotlib_map(palette: str) -> Colormap:
    """Return the table as a matplotlib colour map of places on a scale, with `NOT_A_NUMBER` as the colour of NaN."""
    return ListedColormap(table(palette) / 255, name=palette).with_extremes(bad=NOT_A_NUMBER)


def signed_map(palette: str) -> Colormap:
    """Return a colour map of numbers around 0: orange below, blue above, the ground of a light or dark page between."""
    return LinearSegmentedColormap.from_list(
        f"signed {palette}", _SIGNED["dark" if palette == "night" else "light"]
    ).with_extremes(bad=NOT_A_NUMBER)


def plotly_signed_scale(palette: str) -> list[tuple[float, str]]:
    """Return the colours of numbers around 0 as a Plotly colour scale."""
    shades, steps = signed_map(palette), 32
    return [(step / steps, to_hex(shades(step / steps))) for step in range(steps + 1)]


def line(palette: str) -> str:
    """Return the colour of the token graph's lines, whose width and opacity show the weight."""
    return {"blues": "#1f6fb4", "night": "#2a9fd0", "viridis": "#2a788e", "cividis": "#5d6372", "greys": "#555555"}[
        palette
    ]


def head_look(number: int, dark: bool = False) -> tuple[str, tuple[int, ...]]:
    """Return colour and dash pattern of the lines of one of several heads, for a light or a dark ground.

    Args:
        number: place of the head in the expanded set, from 0 to `MOST_HEADS` - 1.
        dark: whether the ground is dark.
    """
    tones = HEAD_COLOURS["dark" if dark else "light"]
    return tones[number % len(tones)], HEAD_DASHES[number // len(tones)]


def role_colour(role: str, dark: bool = False) -> str:
    """Return the colour of a message's role, for a light or a dark ground."""
    tones = ROLE_COLOURS["dark" if dark else "light"]
    return tones.get(role, tones[""])


def head_looks() -> dict[str, Any]:
    """Return what the browser draws the lines of several heads, and the roles of messages, with."""
    return {"head_colours": HEAD_COLOURS, "head_dashes": HEAD_DASHES, "role_colours": ROLE_COLOURS}


def opacity(weight: np.ndarray | float, scale: str) -> np.ndarray:
    """Return the opacity of a token graph's line, with the same scale as the colours; 1 for NaN."""
    least, more = LINE_OPACITY
    return least + more * np.nan_to_num(place_on_scale(weight, scale), nan=1.0)
