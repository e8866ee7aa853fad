"""The message of a trace to the instrument (viz/browser/instrument): all that it can show without a request.

docs/decisions/0019 describes the contract. The bytes are the same as long as the trace and the opening are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float
from matplotlib.colors import to_rgb

from analysis.causes.moved_weights import METHOD as DIFFERENCE
from analysis.maps.notices import NORMALISED
from analysis.measures import FIGURES, MEASURES, head_table
from analysis.selection import READABLE
from analysis.truth import truth_of, truth_scores_of_text
from models import Attention, Token
from models.checkpoints.fetched import short_name
from models.patches import text_start
from viz import colours, style
from viz.head_maps import HeadMaps
from viz.labels import boundaries, label
from viz.method_words import ATTENTION, words_of
from viz.options import DrawOptions
from viz.tops import scale_top
from viz.wire.changes import describe_changes
from viz.wire.packing import pack
from viz.wire.tiles import Tile, mark_masked

# A trace of at most this many tokens on each side and this many heads is sent whole.
SMALL_TOKENS, SMALL_HEADS = 64, 150
# How a `Source` says that its weights existed already.
GIVEN = "given"
_ARRAYS: WeakKeyDictionary[Attention, dict[str, np.ndarray]] = WeakKeyDictionary()
PARTS = ("strip", "heads", "heatmap", "graph", "ranking", "figures", "pairs")


@dataclass(frozen=True)
class Sentence:
    """One of several texts over which heads are ranked: the name of its trace, empty if it has none, and a label."""

    trace: str
    label: str


@dataclass(frozen=True)
class Opening:
    """What the browser shows first, written as in a link.

    A new `id` makes the browser adopt `selection`, unless its own selection has a number above `after`.
    """

    id: str
    selection: str
    after: int = 0


def is_small(att: Attention) -> bool:
    """Return whether all weights of a trace are sent with its message."""
    return max(att.n_query, att.n_key) <= SMALL_TOKENS and att.n_layers * att.n_heads <= SMALL_HEADS


def trace_message(
    att: Attention,
    opening: Opening,
    *,
    trace: str = "",
    maps: HeadMaps | None = None,
    tiles: Sequence[Tile] = (),
    parts: Sequence[str] = PARTS,
    options: DrawOptions | None = None,
    sentences: Sequence[Sentence] = (),
    model: str = "",
    file: str = "",
    show: str = "",
    goal: str = "",
    whole: bool = False,
    view: str = "",
) -> bytes:
    """Return what the instrument shows of a trace.

    Args:
        att: the attention; all weights are sent if it is small (`is_small`).
        opening: what the browser shows first.
        trace: the name under which the browser requests more; empty if nothing answers.
        maps: the maps of all heads as far as they are computed, for a trace that is not small.
        tiles: tiles that the browser has from the start.
        parts: the pictures to show.
        options: the draw options that a link leaves out.
        sentences: the texts over which heads are ranked, this one among them; empty for one text.
        model: the name that `load_model` takes, by default that of the source.
        file: the name of the file that the trace was loaded from, if it was.
        show: the method by which the page made the map of the trace (analysis/maps), by default that of `att`.
        goal: what a gradient is of.
        whole: for a file, all weights are sent, in 16 bits each, whatever the size.
        view: for a file, what was changed of the trace to get `att`, as a request writes it.
    """
    header: dict[str, Any] = {
        **{"trace": trace, "view": view, "opening": asdict(opening), "parts": list(parts)},
        "source": {**_describe_source(att, model, file), **_describe_derivation(att, show, goal)},
        **_describe_heads(att) | _describe_tokens(att) | _describe_truth(att) | describe_changes(att),
        **_describe_look(att, options or DrawOptions()),
        "tiles": [tile.facts for tile in tiles],
        "sentences": list(map(asdict, sentences)),
    }
    facts: dict[str, Any] = {}
    if whole or is_small(att):
        weights = _arrays_of(att)
    else:
        facts, weights = _arrays_of_maps(maps or HeadMaps.empty(att), scale_top(att))
    header, arrays = header | facts, {"colours": colour_tables(), **_arrays_of_tiles(tiles), **weights}
    return pack(header, arrays, coded=["weights"] if whole else ())


def _arrays_of_maps(maps: HeadMaps, top: float) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the facts and the arrays of the maps that are computed."""
    done = maps.n_done  # read once: a job may be filling the maps
    facts = {"maps": list(maps.values.shape), "block": list(maps.block), "done": done}
    return facts, pack_maps(maps, stop=done, top=top)


def _describe_heads(att: Attention) -> dict[str, Any]:
    heads = [att.heads_in(layer) for layer in range(att.n_layers)]
    groups = [list(att.key_heads(layer)) for layer in range(att.n_layers)]
    has_groups = any(len(set(group)) < len(group) for group in groups)
    title = f"{words_of(att.method).everything}, {att.kind} attention"
    numbers = att.annotations.get("head_numbers")
    named = {"numbers": numbers} if numbers else {}
    return {
        "title": title,
        "kind": att.kind,
        "method": att.method,
        "heads": heads,
        "groups": groups if has_groups else [],
        **named,
    }


def _describe_look(att: Attention, options: DrawOptions) -> dict[str, Any]:
    """Return what the browser draws and says with, the same for every trace of a method and a scale."""
    return {
        "palettes": _describe_palettes(),
        "defaults": describe_defaults(options),
        "style": {**style.instrument_style(att.method), **colours.head_looks(), "top": scale_top(att)},
        "readable": READABLE,
        "measures": [[name, MEASURES[name].title, MEASURES[name].meaning, MEASURES[name].unit] for name in FIGURES],
    }


def _arrays_of_tiles(tiles: Sequence[Tile]) -> dict[str, np.ndarray]:
    cells = {f"cells{number}": tile.cells for number, tile in enumerate(tiles)}
    return cells | {f"given{number}": tile.given for number, tile in enumerate(tiles)}


def _arrays_of(att: Attention) -> dict[str, np.ndarray]:
    """Return the weights and measures of all heads; those of a small trace are kept for other visitors and openings."""
    if not is_small(att):
        return {"weights": all_weights(att), "measures": all_measures(att)}
    if att not in _ARRAYS:
        _ARRAYS[att] = {"weights": all_weights(att), "measures": all_measures(att)}
    return _ARRAYS[att]


def all_weights(att: Attention) -> Float[np.ndarray, "layer head query key"]:
    """Return the weights of all heads as the browser reads them; heads that a layer lacks are masked."""
    weights = np.full((att.n_layers, att.n_heads, att.n_query, att.n_key), style.MASKED_WEIGHT, np.float32)
    for layer in range(att.n_layers):
        for head in range(att.heads_in(layer)):
            # Head by head, as tiles and exports compute them: a whole layer may differ in the last digit.
            weights[layer, head] = mark_masked(att.weights(layer, head), att.mask(layer, head))
    return weights


def all_measures(att: Attention) -> Float[np.ndarray, "layer head measure"]:
    """Return the figures of all heads; NaN where one is not defined, and for heads that a layer lacks."""
    table = head_table(att)
    found = np.full((att.n_layers, att.n_heads, len(FIGURES)), np.nan, np.float32)
    layer, head = (table.index.get_level_values(name) for name in ("layer", "head"))
    found[layer, head] = table[list(FIGURES)].to_numpy()
    return found


def pack_maps(maps: HeadMaps, first: int = 0, stop: int | None = None, *, top: float = 1.0) -> dict[str, np.ndarray]:
    """Return the arrays of the maps that are computed, from the layer `first` on, or up to the layer before `stop`.

    A byte of `maps` is a colour number (`colours.colour_numbers`) on a scale that ends at `top`, or `MASKED`. `broken`
    is 1 for the heads that have a weight that is not a number. Heads that a layer lacks are masked and not broken.
    """
    known = slice(first, maps.n_done if stop is None else stop)
    exists = np.arange(maps.values.shape[1]) < np.array(maps.n_heads[known], dtype=np.int64).reshape(-1, 1)
    values, mask = maps.values[known], maps.mask[known] & exists[:, :, None, None]
    numbers = colours.colour_numbers(values / top)
    return {
        "maps": np.where(mask, numbers, np.uint8(style.MASKED)),
        "broken": (np.isnan(values) & mask).any(axis=(2, 3)).astype(np.uint8),
    }


def colour_tables() -> np.ndarray:
    """Return red, green and blue of all palettes, 256 colours each: the weights from 0 to 1, and the masked colour."""
    tables = []
    for palette in colours.PALETTES:
        masked = np.array([to_rgb(colours.masked(palette)[1])]) * 255
        tables.append(np.vstack([colours.table(palette, style.MASKED), masked.round().astype(np.uint8)]))
    return np.stack(tables)


def _describe_source(att: Attention, model: str, file: str) -> dict[str, Any]:
    """Return where the trace comes from; `load` is the name that `load_model` takes, `file` that of a loaded file."""
    source = att.source
    loads = {"load": model or short_name(source.model, source.revision) or source.model}
    return {**asdict(source), **loads, **({"file": file} if file else {})}


def _describe_derivation(att: Attention, show: str, goal: str) -> dict[str, Any]:
    """Return how the map was made of a trace, {} for the attention itself and for a map that a file holds."""
    made = show or ("" if att.source.capture == GIVEN else att.method)
    goal = goal or att.annotations.get("goal", "")
    if made in ("", ATTENTION, DIFFERENCE):  # a difference is of two traces, whose source has the changes
        return {}
    divided = any(notice.startswith(NORMALISED[:-1]) for notice in att.notices)
    return {"show": made, **({"goal": goal} if goal else {}), **({} if divided else {"normalise": False})}


def _describe_tokens(att: Attention) -> dict[str, Any]:
    """Return the labels of both sides, where texts begin, and which pieces are a word."""
    cuts = {"cuts": [boundaries(att.query_tokens), boundaries(att.key_tokens)]}
    same = att.query_tokens == att.key_tokens
    spans, words = [_spans(att.query_tokens), _spans(att.key_tokens)], _describe_words(att)
    return {
        "queries": _labels(att.query_tokens),
        "begins": text_start(att.key_patches, att.n_key) if att.kind != "cross" else 0,
        "keys": None if same else _labels(att.key_tokens),
        "spans": None if None in spans else spans,
        "words": words,
        **cuts,
    }


def _describe_words(att: Attention) -> dict[str, Any] | None:
    """Return the words of both sides with the first piece of each, None if every piece is a word."""
    words = att.words()
    if (words.n_query, words.n_key) == (att.n_query, att.n_key):
        return None
    sides = [
        {"labels": _labels(tokens), "starts": [piece[0] for piece in pieces]}
        for tokens, pieces in zip((words.query_tokens, words.key_tokens), words.pieces, strict=True)
    ]
    return {"queries": sides[0], "keys": None if att.query_tokens == att.key_tokens else sides[1]}


def _labels(tokens: tuple[Token, ...]) -> list[list[Any]]:
    """Return text, and whether it is special, of each token; True if the model itself wrote it; and its role if any."""
    return [_label(token) for token in tokens]


def _label(token: Token) -> list[Any]:
    if token.role:
        return [label(token), token.special, token.generated, token.role]
    return [label(token), token.special, *([True] if token.generated else [])]


def _spans(tokens: tuple[Token, ...]) -> list[list[int]] | None:
    """Return the first and the last position of each text of a pair, None if there is one text."""
    segments = [token.segment for token in tokens]
    second = segments.index(1) if 1 in segments else 0
    return [[0, second - 1], [second, len(tokens) - 1]] if second else None


def _describe_truth(att: Attention) -> dict[str, Any]:
    truth, scores = truth_of(att), truth_scores_of_text(att)
    return {
        "truth": None if truth is None else np.argwhere(truth.mask).tolist(),
        "scores": None
        if scores is None
        else [None if np.isnan(each) else round(float(each), 4) for each in scores.flat],
    }


def _describe_palettes() -> dict[str, Any]:
    """Return what the browser knows of each palette beside its colours, in the order of `colour_tables`."""
    return {name: {"line": colours.line(name), "masked": colours.masked(name)[0]} for name in colours.PALETTES}


def describe_defaults(options: DrawOptions) -> dict[str, Any]:
    """Return the draw options that a link leaves out, and the colours and scales that every picture knows."""
    return {
        "threshold": options.threshold,
        "palette": "automatic",
        "scale": options.scale,
        "scales": list(colours.SCALES),
        "bad": colours.NOT_A_NUMBER,
        "truth": colours.TRUTH,
    }
