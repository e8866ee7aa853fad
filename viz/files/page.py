"""The instrument in a file: all linked pictures of an attention, opened on what is selected, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any
from urllib.parse import urlencode

from analysis.selection import READABLE, Region, Selection
from models import Attention
from models.method_names import name_method, name_with_method
from viz import browser, colours
from viz.colours import MOST_HEADS
from viz.figures.base import Subject, name_heads
from viz.head_maps import HeadMaps
from viz.labels import notices_of
from viz.options import DrawOptions
from viz.tops import scale_top
from viz.views import is_combined, view_of
from viz.wire.instrument import Opening, trace_message
from viz.wire.tiles import Tile, make_tile

# A file has all weights of a text of at most `READABLE` tokens a side and of this many weights, masked ones included:
# 72 heads of 128 tokens have 1.2 million.
MOST_WEIGHTS = 5_000_000
# Fields of `Selection` that a link calls otherwise.
_NAMES = {"chosen": "heads"}


def has_all_weights(att: Attention) -> bool:
    """Return whether a file has the exact weights of all heads, not only those of the head on which it opens."""
    n_weights = att.n_layers * att.n_heads * att.n_query * att.n_key
    return max(att.n_query, att.n_key) <= READABLE and n_weights <= MOST_WEIGHTS


def instrument_html(
    subject: Subject,
    selection: Selection,
    options: DrawOptions,
    *,
    palette: str | None = None,
    with_title: bool = True,
) -> str:
    """Return the body of a page: title, what a reader must know of the weights, what the file lacks, the pictures.

    `palette` replaces that of the options; "automatic" follows the light or dark theme.

    Raises:
        BadSelection: the text has no such layer, head, token or region.
    """
    att = subject.att
    message = instrument_message(subject, selection, options, palette=palette)
    title = page_title(att) if with_title else ""
    note = " ".join(filter(None, (*notices_of(att), describe_top(att), describe_lack(subject, selection))))
    return browser.standalone("instrument", title, message, note=note)


def page_title(att: Attention) -> str:
    """Return what the page of an attention is called."""
    return name_with_method(att.method, f"{att.kind.capitalize()} attention of {att.source.model}")


def instrument_message(
    subject: Subject, selection: Selection, options: DrawOptions, *, palette: str | None = None
) -> bytes:
    """Return the message of the instrument with all that a file has of an attention.

    The whole of short texts; else the maps of all heads and the exact cells of the selected head, as many as the
    pictures show of it.

    Raises:
        BadSelection: the text has no such layer, head, token or region.
    """
    att, opening = subject.att, Opening("file", write_selection(selection, options, palette))
    shown, _ = view_of(att, replace(selection, combine="overlay"), options)
    region, token = selection.region_in(shown), selection.token_in(shown)
    if has_all_weights(att):
        return trace_message(att, opening, options=options, whole=True)
    # The heatmap shows the region, the token graph and the strip a readable part of it.
    regions = tuple(dict.fromkeys((region, region.readable_part(shown, token))))
    maps = (subject.maps if shown is att else None) or HeadMaps.empty(shown).fill(shown)
    tiles = _tiles(shown, selection, regions)
    return trace_message(shown, opening, maps=maps, tiles=tiles, options=options, view=_write_view(selection, options))


def _tiles(shown: Attention, selection: Selection, regions: Sequence[Region]) -> list[Tile]:
    """Return the cells of what is opened: the head, the first of the chosen heads, or one map of all of them."""
    heads = [selection.of_one_head() if selection.heads else (0, 0)]
    if is_combined(selection):
        name = (selection.combine, str(selection.chosen))
        one, _ = view_of(shown, selection, DrawOptions())
        return [make_tile(one, 0, 0, region, shown=name) for region in regions]
    heads += selection.chosen.expand(shown)[:MOST_HEADS]
    return [make_tile(shown, *head, region) for head in dict.fromkeys(heads) for region in regions]


def _write_view(selection: Selection, options: DrawOptions) -> str:
    """Return what a view changes, as `viewQuery` of viz/browser/instrument/view.js writes it."""
    changes = {"unit": "words"} if selection.unit == "words" else {}
    changes |= {name: "hide" for name in ("special", "sink") if getattr(options, name) == "hide"}
    if options.renormalise and "hide" in changes.values():
        changes["renormalise"] = "True"
    return urlencode(changes)


def write_selection(selection: Selection, options: DrawOptions, palette: str | None = None) -> str:
    """Return a selection and draw options as the browser reads them (viz/browser/instrument/link.js)."""
    written: dict[str, Any] = {"layer": selection.layer or 0, "head": selection.head or 0}
    # What both leave out has its default in the browser too.
    for field in fields(selection):
        value = getattr(selection, field.name)
        if field.name not in ("layer", "heads", "kind") and value and value != field.default:
            written[_NAMES.get(field.name, field.name)] = value
    written |= {field.name: getattr(options, field.name) for field in fields(options)}
    return urlencode(written | ({"palette": palette} if palette else {}), safe=":,")


def describe_top(att: Attention) -> str:
    """Return one sentence that says where the scale ends, if a weight is above 1; empty if none is."""
    said = "".join(colours.top_note(scale_top(att)))
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def describe_lack(subject: Subject, selection: Selection) -> str:
    """Return one sentence that says which weights are not in the file of a long text; empty if all are."""
    att, maps = subject.att, subject.maps
    if has_all_weights(att):
        return ""
    nouns = f"{name_method(att.method).noun}s"
    known = f" of the first {maps.n_done} of {att.n_layers} layers" if maps and not maps.complete else ""
    return (
        f"This file has exact weights of {_one_head(att, selection)} alone, because the attention of all {nouns} is "
        f"too large for it: other {nouns}{known} are shown as small maps of their largest weights."
    )


def describe_contents(att: Attention, selection: Selection) -> str:
    """Return one sentence that says what the file of an attention contains."""
    text, n_heads = "the whole text", sum(map(att.heads_in, range(att.n_layers)))
    heads = f"all {n_heads} {name_method(att.method).noun}s"
    if has_all_weights(att):
        return f"It contains {text} and every weight of {heads}."
    return f"It contains {text}, small maps of {heads}, and weights of {_one_head(att, selection)}."


def _one_head(att: Attention, selection: Selection) -> str:
    """Return the head whose weights are in the file of a long text, within a sentence."""
    return name_heads(att, selection if selection.heads else Selection.parse(0, 0))
