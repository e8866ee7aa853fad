"""Drawing constants and sentences that several renderers share: Plotly, paper, and the browser.

The browser receives them in the header of its data. A constant that only one renderer uses (an inch of paper, a pixel
of a canvas) stays with that renderer.
"""

from __future__ import annotations

from typing import Any

from models.method_names import name_method, name_with_method
from viz.method_words import ATTENTION, words_of

# One map of several heads.
COMBINED = {"mean": "Mean of {heads}", "maximum": "Maximum of {heads}"}

# The square root of a weight x 254 is its colour number, a byte; the last of the 256 is that of masked pairs.
STRONGEST, MASKED = 254, 255
# The weight of a masked pair in a tile.
MASKED_WEIGHT = -1.0
# The outline of the selected head.
SELECTED = "#e4572e"

# Lines of about equal weight share one width and one opacity: thousands of strokes would take several frames.
STRENGTHS = 24
# Opacity and width in pixels of a line of weight 0, and what a weight of 1 adds.
LINE_OPACITY = (0.06, 0.94)
LINE_WIDTH = (0.6, 4.4)
# Opacity of the ground below the isolated token, and below a token at the other end of its lines (weight 0, weight 1).
ISOLATED_GROUND = 0.22
REACHED_GROUND = (0.08, 0.5)
# What a line keeps of its opacity if one of its tokens is dimmed.
DIMMED_LINES = 0.33
# Opacity of the tokens that no line of the isolated token reaches.
FADED = 0.35
# A sentence names this many ends of an isolated token's lines, the strongest first, with this many digits.
NAMED_ENDS, WEIGHT_DIGITS = 6, 3
# A share below the first is not called 0%, one above the second not 100% unless the third is reached.
SHARE_BOUNDS = (0.005, 0.995, 1 - 1e-6)

NOTHING = "nothing shown"
BAD_WEIGHT = "not a number"
# What a picture says of one token's lines. `lines` is the browser's `LINES_SHOWN`, beside whose picture the threshold
# can be seen, or names the threshold in a file.
TOKEN_SENTENCE = "{token} ({position}){locked} {verb} {ends}{more}; {lines}{share}"
LINES_SHOWN = "lines shown"
LOCKED = " (locked)"
END = "{token} {weight}"
# The same in a picture of several heads.
END_OF_HEAD = "{token} {weight} in head {head}"
OF_HEAD = "{weight} in head {head}"
# A token whose text occurs twice is named with its position.
REPEATED = "{token} ({position})"
MORE = " and {count} more"
UNKNOWN_SHARE = ", whose share is not known"
SHARES = {"query": " hold {share} of its {noun}", "key": " hold {share} of the {noun} to it"}
# What a picture says of all of its lines.
LINES_FROM = "lines from {threshold} up"
LINES_HOLD = "{lines} hold {share} of {whose} {noun}"
OF_ALL, OF_PART = "the", "these queries'"
LINES_HOLD_NOTHING = "{lines} hold nothing"
SOME_BAD = "{lines}; some weights are not a number"
BY_SCALE = {"linear": "", "root": ", opacity by square root", "log": ", opacity logarithmic"}
# What the colours of a picture show, short enough for the bar below a small picture.
SCALES = {
    "linear": "weight",
    "root": "weight, square root",
    "log": "weight, logarithmic",
}
# What a picture of weights above 1 says of its colours, or of its lines.
TOP = "the scale ends at {top}, the largest weight"
# The weight at which a logarithmic scale begins: smaller weights look like 0.
LOG_FLOOR = 1e-4
# A part of a head, as `Region.describe` in analysis/selection.py.
PART = "queries {first_query} to {last_query}, keys {first_key} to {last_key}"
LITTLE, NEARLY_ALL = "less than 1%", "more than 99%"

# Room below a heatmap in pixels: the axis title takes the first, and slanted labels this share of upright ones.
UNDER_LABELS, SLANTED_HEIGHT = 34, 0.75


def chart_style() -> dict[str, float]:
    """Return what viz/browser/core/chart.js measures with."""
    return {"under_labels": UNDER_LABELS, "slanted_height": SLANTED_HEIGHT}


def token_graph_style(method: str = ATTENTION) -> dict[str, Any]:
    """Return what viz/browser/instrument/token_graph.js draws and says with of a map of a method."""
    words = words_of(method)
    return {
        "strengths": STRENGTHS,
        "opacity": LINE_OPACITY,
        "width": LINE_WIDTH,
        "isolated": ISOLATED_GROUND,
        "reached": REACHED_GROUND,
        "faded": FADED,
        "dimmed": DIMMED_LINES,
        "ends": NAMED_ENDS,
        "digits": WEIGHT_DIGITS,
        "bounds": SHARE_BOUNDS,
        "words": {
            "sentence": TOKEN_SENTENCE,
            "verbs": words.verbs,
            "nothing": NOTHING,
            "bad": BAD_WEIGHT,
            "locked": LOCKED,
            "end": END,
            "end_of_head": END_OF_HEAD,
            "of_head": OF_HEAD,
            "repeated": REPEATED,
            "more": MORE,
            "lines": LINES_SHOWN,
            "shares": {side: shares.replace("{noun}", words.noun) for side, shares in SHARES.items()},
            "unknown": UNKNOWN_SHARE,
            "from": LINES_FROM,
            "hold": LINES_HOLD.replace("{noun}", words.noun),
            "whose": [OF_ALL, OF_PART],
            "hold_nothing": LINES_HOLD_NOTHING,
            "some_bad": SOME_BAD,
            "byScale": BY_SCALE,
            "part": PART,
            "little": LITTLE,
            "nearly": NEARLY_ALL,
        },
    }


def grid_style(method: str = ATTENTION) -> dict[str, Any]:
    """Return what viz/browser/instrument/heads.js draws and says with of the maps of a method."""
    return {"strongest": STRONGEST, "floor": LOG_FLOOR, "scales": SCALES, **head_style(method)}


def instrument_style(method: str = ATTENTION) -> dict[str, Any]:
    """Return what the modules of viz/browser/instrument draw and say with of the maps of a method."""
    return {**token_graph_style(method), **grid_style(method), "masked": MASKED, "selected": SELECTED}


def head_style(method: str = ATTENTION) -> dict[str, Any]:
    """Return the words that the browser uses of a head."""
    words = words_of(method)
    return {
        "head": name_method(method).head,
        "place": name_method(method).place,
        "places": words.places,
        "pair": words.pair,
        "here": words.here,
        "combined": {how: name_with_method(method, named) for how, named in COMBINED.items()},
        "verb": words.verbs["query"],
        "most": words.most,
        "axes": words.axes,
        # The browser has its own name for the heads of an attention.
        "everything": "" if method == ATTENTION else words.everything,
        "figures": words.figures,
        "whole": words.whole,
    }


def describe_share(share: float) -> str:
    """Return a share in per cent: a little is not nothing, and what is hidden keeps a share from being the whole."""
    little, nearly, whole = SHARE_BOUNDS
    if 0 < share < little:
        return LITTLE
    return NEARLY_ALL if nearly <= share < whole else f"{share:.0%}"
