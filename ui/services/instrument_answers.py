"""Answers to what the instrument in a browser requests of a trace: one function for each kind of path.

docs/decisions/0019 lists the paths. A path is hostile input: every number is checked, and the work is bounded by the
size of the trace. Whole heads of long texts are read in strips.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis import head_row, strongest_pairs
from analysis.attention_shares import Shares, shares
from analysis.head_set import HeadSet
from analysis.heads import average_pairs, check_pair, check_position, heads_of, pair_in_heads, token_in_heads
from analysis.measures import FIGURES
from analysis.selection import SIDES, Region, Selection, TokenRef
from models import Attention
from models.errors import BadSelection
from ui.services.attention_cache import cached, leave_maps, maps_of, received_of, request_maps
from ui.services.instrument_traces import find, visitor_of
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.heatmap import Heatmap
from viz.method_words import ATTENTION
from viz.style import COMBINED, MASKED_WEIGHT
from viz.tops import scale_top
from viz.views import view_of
from viz.wire.instrument import Opening, is_small, pack_maps, trace_message
from viz.wire.packing import pack, pack_chart
from viz.wire.tiles import make_tile, pack_tile

# Pairs of a head's table, as on the page.
PAIRS = 40
# Texts that are ranked together.
MOST_TEXTS = 32
BINARY, JSON = "application/octet-stream", "application/json"
_NUMBER = re.compile("[0-9]{1,7}")


class NoAnswer(Exception):
    """There is no such trace or path."""


@dataclass(frozen=True)
class Request:
    """What a browser asks of the trace `name`: the parts of a path after its first one, and the query's parameters.

    `att` is the view of the trace that the parameters name (viz/views.py), `captured` the trace itself.
    """

    name: str
    captured: Attention
    att: Attention
    parts: tuple[str, ...]
    options: Mapping[str, str]

    def number(self, place: int, what: str) -> int:
        """Return the number in a part of the path.

        Raises:
            BadSelection: there is no number.
        """
        return _parse_number(self.parts[place], what)

    def head(self) -> Selection:
        """Return the head and the region of `3/1` or `3/1/0-63:128-191`, not checked against the text.

        A map of several heads is written as `mean/2.0,2.5`.

        Raises:
            BadSelection: it is written differently.
        """
        region = Region.parse(self.parts[2]) if len(self.parts) == 3 else None
        how, written = self.parts[:2]
        if how in COMBINED:
            return Selection(region=region, chosen=HeadSet.parse(written), combine=how)
        return Selection(self.number(0, "layer"), (self.number(1, "head"),), region=region)

    def shown(self) -> tuple[Attention, Selection]:
        """Return the attention and the selection in it: a head, or one map of several heads as head 0 of layer 0.

        Raises:
            BadSelection: it is written differently, or there is no such head.
        """
        return view_of(self.att, self.head(), DrawOptions())


@dataclass(frozen=True)
class Answer:
    """The body of an answer: `lasts` if it never changes, `dense` if compression would hardly make it smaller."""

    body: bytes
    media_type: str = BINARY
    lasts: bool = True
    dense: bool = False


def answer(name: str, path: str, options: Mapping[str, str]) -> Answer:
    """Return what a browser requests of a trace.

    Raises:
        NoAnswer: there is no such trace or path.
        BadSelection: the trace has no such head, position or region, in one sentence.
    """
    kind, *parts = path.split("/")
    work = _ANSWERS.get((kind, len(parts)))
    att = find(name)
    if work is None or att is None:
        raise NoAnswer
    return work(Request(name, att, _view(att, options), tuple(parts), options))


def _view(att: Attention, options: Mapping[str, str]) -> Attention:
    """Return the view of a trace that the parameters of a request name."""
    drawn = DrawOptions(
        special=options.get("special", "show"),
        sink=options.get("sink", "show"),
        renormalise=options.get("renormalise") == "True",
    )
    return view_of(att, Selection.parse(unit=options.get("unit", "pieces")), drawn)[0]


def _view_message(request: Request) -> Answer:
    """Return the message of a view: its tokens and what is computed of its maps, or all of its weights."""
    att = request.att
    maps = None if is_small(att) else maps_of(att)
    return Answer(trace_message(att, Opening("", ""), trace=request.name, maps=maps), lasts=False)


def is_slow(path: str) -> bool:
    """Return whether a request reads every head of a trace, which takes seconds for a long text."""
    return path.startswith(("pair/", "token/key/", "rank/"))


def _tile(request: Request) -> Answer:
    att, selection = request.shown()
    layer, head = selection.of_one_head()
    how, heads = request.parts[:2]
    shown = (how, heads) if how in COMBINED else (layer, head)
    return Answer(pack_tile(make_tile(att, layer, head, selection.region_in(att), shown=shown)), dense=True)


def _detail(request: Request) -> Answer:
    att, selection = request.shown()
    (layer, head), region = selection.of_one_head(), selection.region_in(att)
    values = cached(att, ("measures", layer, head), lambda: head_row(att, layer, head))
    pairs = cached(
        att,
        ("pairs", layer, head, region),
        lambda: strongest_pairs(att, layer, head, PAIRS, queries=region.queries, keys=region.keys),
    )
    found = cached(att, ("shares", layer, head), lambda: _shares(request, att.hidden_queries))
    columns = (pairs[name].tolist() for name in ("query", "key", "weight"))
    facts = {
        "measures": [_as_json(values[name]) for name in FIGURES],
        "shares": [_as_json(share) for share in found],
        "pairs": [[query, key, _as_json(weight)] for query, key, weight in zip(*columns, strict=True)],
    }
    return Answer(json.dumps(facts, allow_nan=False).encode(), JSON)


def _shares(request: Request, hidden: frozenset[int]) -> Shares:
    """Return what special tokens and the first token get before they are hidden, over the queries that are shown."""
    unit = Selection.parse(unit=request.options.get("unit", "pieces"))
    selection = replace(request.head(), region=None, unit=unit.unit)
    att, shown = view_of(request.captured, selection, DrawOptions())
    return shares(att, *shown.of_one_head(), without=hidden)


def _maps(request: Request) -> Answer:
    att, (where,) = request.att, request.parts
    if where == "stop":
        leave_maps(att, request.name)
        # All of them, since the number of layers that the browser has is not known.
        return Answer(_pack_grown(att, 0, stopped=not maps_of(att).complete, seconds=None), lasts=False)
    first = request.number(0, "layer")
    if first > att.n_layers:
        raise BadSelection(f"There is no layer {first}: this text has {att.n_layers} layers.")
    if maps_of(att).complete:
        return Answer(_pack_grown(att, first, stopped=False, seconds=None), lasts=False)
    job = request_maps(att, request.name)
    if job.failed:
        job.result()
    return Answer(_pack_grown(att, first, stopped=False, seconds=job.seconds_left), lasts=False)


def _pack_grown(att: Attention, first: int, *, stopped: bool, seconds: float | None) -> bytes:
    maps = maps_of(att)
    done = maps.n_done  # read once: the job goes on
    # A browser that knows more layers than this server, which was started anew, keeps none of those that are missing.
    first = min(first, done)
    header = {"first": first, "done": done, "stopped": stopped, "seconds": seconds}
    return pack(header, pack_maps(maps, first, done, top=scale_top(att)))


def _pair(request: Request) -> Answer:
    query, key = request.number(0, "query"), request.number(1, "key")
    check_pair(request.att, query, key)
    att = request.att
    weights, others, _ = pair_in_heads(att, query, key, received_of(att, key))
    weights = weights.copy()
    for layer in range(att.n_layers):
        for head in range(att.heads_in(layer)):
            if not att.mask(layer, head, [query], [key]).item():
                weights[layer, head] = MASKED_WEIGHT
    return Answer(_pack_heads(att, weight=weights, others=others))


def _token(request: Request) -> Answer:
    side, position = request.parts[0], request.number(1, "token")
    if side not in SIDES:
        raise NoAnswer
    token = TokenRef(side, position)
    check_position(request.att, side, position)
    received = received_of(request.att, position) if side == "key" else None
    entropy, strongest, weight = token_in_heads(request.att, token, received)
    partner = np.where(strongest >= 0, strongest, np.nan)
    return Answer(_pack_heads(request.att, entropy=entropy, strongest=partner, weight=weight))


def _rank(request: Request) -> Answer:
    wanted = request.parts[0].split(",")
    if len(wanted) > MOST_TEXTS:
        raise BadSelection(f"At most {MOST_TEXTS} texts are ranked together, not {len(wanted)}.")
    found = [_read_pair(each, visitor_of(request.name)) for each in wanted]
    pairs = [(_view(att, request.options), query, key) for att, query, key in found]
    if any(heads_of(att) != heads_of(pairs[0][0]) for att, _, _ in pairs):
        raise BadSelection("The texts must be read by one model: their attentions have different layers or heads.")
    for att, query, key in pairs:
        check_pair(att, query, key)
    figures = average_pairs(pairs, [received_of(att, key) for att, _, key in pairs])
    return Answer(_pack_heads(pairs[0][0], **figures))


def _read_pair(text: str, visitor: str | None) -> tuple[Attention, int, int]:
    """Return the attention, the query and the key of `NAME:8:2`; the name must be one of the same visitor."""
    name, *numbers = text.split(":")
    att = find(name)
    if att is None or visitor is None or visitor_of(name) != visitor:
        raise NoAnswer
    if len(numbers) != 2:
        raise BadSelection("A pair of a text is given as NAME:8:2, with its query and its key.")
    return att, _parse_number(numbers[0], "query"), _parse_number(numbers[1], "key")


def _plotly(request: Request) -> Answer:
    att, selection = request.shown()
    (layer, head), (how, heads), usual = selection.of_one_head(), request.parts[:2], DrawOptions()
    options = DrawOptions(
        palette=request.options.get("palette", usual.palette),
        scale=request.options.get("scale", usual.scale),
        truth=request.options.get("truth", "True").lower() != "false",
    )
    figure = Heatmap()
    drawn = figure.to_plotly(figure.view(Subject(att), selection, options), options)
    # What a visitor has zoomed to stays from head to head, as long as it is the same region of the same tokens.
    drawn.layout.uirevision = f"{request.name} {selection.region or ''}"
    alt = f"Heatmap: {att.head_name(layer, head)}."
    place = f"{how}-{heads}" if how in COMBINED else f"layer{layer}-head{head}"
    name = "-".join([att.kind, *([] if att.method == ATTENTION else [att.method]), place, "heatmap"])
    return Answer(pack_chart(drawn, alt, download=name), JSON)


def _pack_heads(att: Attention, **figures: np.ndarray) -> bytes:
    """Return one number for each head, `[layer x n_heads]`; NaN for heads that a layer lacks."""
    return pack(
        {"heads": list(heads_of(att))}, {name: values.astype(np.float32).ravel() for name, values in figures.items()}
    )


def _parse_number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise BadSelection(f"A {what} is a number from 0 to 9999999, not {text[:20]!r}.")
    return int(text)


def _as_json(value: float) -> float | None:
    return value if math.isfinite(value) else None


# The first part of a path, and how many parts follow.
_ANSWERS: dict[tuple[str, int], Callable[[Request], Answer]] = {
    ("view", 0): _view_message,
    ("tile", 2): _tile,
    ("tile", 3): _tile,
    ("detail", 2): _detail,
    ("detail", 3): _detail,
    ("maps", 1): _maps,
    ("pair", 2): _pair,
    ("token", 2): _token,
    ("rank", 1): _rank,
    ("plotly", 2): _plotly,
    ("plotly", 3): _plotly,
}
