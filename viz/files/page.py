"""The instrument in a file: all linked pictures of an attention, opened on what is selected, without a server."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

from analysis.selection import READABLE, Selection
from models import Attention
from viz import browser
from viz.figures.base import Subject
from viz.head_maps import HeadMaps
from viz.options import DrawOptions
from viz.wire.instrument import Opening, trace_message
from viz.wire.tiles import make_tile

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
    """Return the body of a page: title, what the file lacks, the pictures.

    `palette` replaces that of the options; "automatic" follows the light or dark theme.

    Raises:
        BadSelection: the text has no such layer, head, token or region.
    """
    att = subject.att
    message = instrument_message(subject, selection, options, palette=palette)
    title = page_title(att) if with_title else ""
    return browser.standalone("instrument", title, message, note=describe_lack(subject, selection))


def page_title(att: Attention) -> str:
    """Return what the page of an attention is called."""
    return f"{att.kind.capitalize()} attention of {att.source.model}"


def instrument_message(
    subject: Subject, selection: Selection, options: DrawOptions, *, palette: str | None = None
) -> bytes:
    """Return the message of the instrument with all that a file has of an attention.

    The whole of short texts; else the maps of all heads and the exact cells of the selected head, as many as the
    pictures show of it.

    Raises:
        BadSelection: the text has no such layer, head, token or region.
    """
    att = subject.att
    layer, head = selection.of_one_head() if selection.heads else (0, 0)
    region, token = selection.region_in(att), selection.token_in(att)
    opening = Opening("file", write_selection(selection, options, palette))
    if has_all_weights(att):
        return trace_message(att, opening, options=options, whole=True)
    # The heatmap shows the region, the token graph and the strip a readable part of it.
    regions = dict.fromkeys((region, region.readable_part(att, token)))
    tiles = [make_tile(att, layer, head, each) for each in regions]
    maps = subject.maps or HeadMaps.empty(att).fill(att)
    return trace_message(att, opening, maps=maps, tiles=tiles, options=options)


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


def describe_lack(subject: Subject, selection: Selection) -> str:
    """Return one sentence that says which weights are not in the file of a long text; empty if all are."""
    att, maps = subject.att, subject.maps
    if has_all_weights(att):
        return ""
    layer, head = selection.of_one_head() if selection.heads else (0, 0)
    known = f" of the first {maps.n_done} of {att.n_layers} layers" if maps and not maps.complete else ""
    return (
        f"This file has exact weights of layer {layer}, head {head} alone, because the attention of all heads is too "
        f"large for it: other heads{known} are shown as small maps of their largest weights."
    )


def describe_contents(att: Attention, selection: Selection) -> str:
    """Return one sentence that says what the file of an attention contains."""
    text, n_heads = "the whole text", sum(map(att.heads_in, range(att.n_layers)))
    if has_all_weights(att):
        return f"It contains {text} and every weight of all {n_heads} heads."
    layer, head = selection.of_one_head() if selection.heads else (0, 0)
    return f"It contains {text}, small maps of all {n_heads} heads, and weights of layer {layer}, head {head}."
