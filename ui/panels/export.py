"""The export popover: what is seen, as a file."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import streamlit as st

from analysis.head_set import NO_HEADS
from analysis.selection import Selection
from models import Source
from models.memory import readable
from models.method_names import name_method
from models.package import COMMAND
from ui.messages import escape_markdown
from ui.panels.downloads import offer_file, say_origin
from ui.services.attention_cache import maps_of
from ui.services.settings import file_bytes
from viz import DrawOptions
from viz.figures.base import Figure, Offer, Subject, name_heads
from viz.figures.registry import FIGURES
from viz.figures.table import TableView
from viz.files.export import describe_file, export_figure, glyph_notice
from viz.files.provenance import provenance
from viz.files.tables import table_bytes, too_many_rows
from viz.formats import PAPER, TABLES, CannotExport
from viz.method_words import ATTENTION
from viz.paper.width import parse_width
from viz.views import is_combined
from viz.wire.instrument import is_small

AUTOMATIC, OWN = "automatic", "own"
WIDTHS = (AUTOMATIC, "8 cm", "17.6 cm")


def export_controls(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Offer every figure that fits as PNG, SVG, PDF and HTML, and the weights as CSV and NPZ."""
    popover = st.popover("Export", icon=":material/download:", type="primary", key="export", on_change="rerun")
    if not popover.open:
        return  # a head switch must not wait for what nobody sees
    with popover:
        fitting = [figure for figure in FIGURES.values() if figure.fits(subject)]
        offers = {offer.title_of(subject.att): (figure, offer) for figure in fitting for offer in figure.offers}
        figure, offer = offers[st.radio("Export", tuple(offers), key="export figure")]
        if offer.all_heads:
            selection = replace(selection.of_all_heads(), chosen=NO_HEADS, combine="overlay")
        if not selection.chosen:
            selection = replace(selection, combine="overlay")  # the page shows the one head then
        file_format = st.segmented_control(
            "Format",
            figure.formats,
            default=figure.formats[0],
            key=f"export format {figure.formats[0]}",
            format_func=str.upper,
            required=True,
        )
        # Of a small trace the browser makes the maps itself, so that no job computes them.
        is_instrument = file_format == "html" and figure.opens_instrument
        if (figure.shows_all_maps or is_instrument) and not is_small(subject.att):
            subject = Subject(subject.att, subject.image, maps_of(subject.att))
        refusal = _refuse(figure, file_format, subject, selection, options)
        if refusal:
            st.warning(escape_markdown(refusal))
            return
        width, refusal = choose_width() if file_format in PAPER else (None, None)
        if refusal:
            st.warning(escape_markdown(refusal))
            return
        if file_format in PAPER and figure.shows_tokens:
            notice = glyph_notice(subject.att)
            if notice:
                st.warning(escape_markdown(notice))
        st.caption(describe_file(figure, file_format, subject, selection, options))
        if width:
            try:
                export_figure(figure, file_format, subject, selection, options, width=width)
            except CannotExport as error:  # the letters of these tokens may not fit
                st.warning(escape_markdown(str(error)))
                return
        _download(figure, offer, file_format, subject, selection, options, width)


def choose_width() -> tuple[str | None, str | None]:
    """Ask for the width of a picture on paper, and return it (None: automatic) and what is wrong with it."""
    choice = st.segmented_control("Width", (*WIDTHS, OWN), default=AUTOMATIC, key="export width", required=True)
    if choice != OWN:
        return (None if choice == AUTOMATIC else choice.replace(" ", "")), None
    width = st.text_input("Own width", "12 cm", key="export own width", max_chars=20)
    try:
        parse_width(width)
    except CannotExport as error:
        return None, str(error)
    return width, None


def _refuse(
    figure: Figure[Any], file_format: str, subject: Subject, selection: Selection, options: DrawOptions
) -> str | None:
    """Return why the page cannot make this file now, with what helps; None if it can."""
    if figure.shows_all_maps and subject.maps is not None and not subject.maps.complete:
        return "The maps of all heads are not complete yet: wait until they are, or let them go on."
    if file_format in TABLES:
        return _too_large(figure.view(subject, selection, options), file_format)
    return None


def _too_large(view: TableView, file_format: str) -> str | None:
    """Return why the page makes no table of this size, with what helps; None if it does."""
    refusal = too_many_rows(file_format, view.n_rows)
    if refusal:
        return refusal
    most = int(file_bytes())
    n_bytes = table_bytes(view, file_format)
    if n_bytes <= most:
        return None
    remedies = ["a region"]
    if len(view.heads) > 1:
        remedies.insert(0, "one head")
    if file_format == "csv" and table_bytes(view, "npz") <= most:
        remedies.insert(0, "NPZ")
    return (
        f"This table takes about {readable(n_bytes)}, and this page makes files up to {readable(most)}: "
        f"choose {', '.join(remedies)}, or write it with {COMMAND} export table."
    )


def _download(
    figure: Figure[Any],
    offer: Offer,
    file_format: str,
    subject: Subject,
    selection: Selection,
    options: DrawOptions,
    width: str | None,
) -> None:
    name = _file_name(figure, subject, selection, options)
    title = f"Download {_name_offer(offer, subject, selection)} as {file_format.upper()}"
    offer_file(
        title,
        name,
        file_format,
        lambda: export_figure(figure, file_format, subject, selection, options, width=width).data,
    )
    say_origin(
        name,
        file_format,
        lambda: provenance(subject.att, figure, selection, options, figure.view(subject, selection, options)),
    )


def _name_offer(offer: Offer, subject: Subject, selection: Selection) -> str:
    heads = "" if selection.layer is None else name_heads(subject.att, selection)
    if selection.chosen:
        described = selection.chosen.describe(subject.att)
        heads = f"the {selection.combine} of {described}" if is_combined(selection) else described
    noun = name_method(subject.att.method).noun
    words = offer.title_of(subject.att).replace(f"the chosen {noun}", heads)
    return words[0].lower() + words[1:]


def _file_name(figure: Figure[Any], subject: Subject, selection: Selection, options: DrawOptions) -> str:
    """Return what the file shows, in its name; the grid has all heads, whichever is chosen."""
    att, method_name = subject.att, name_method(subject.att.method)
    model = short_model(att.source)
    if selection.layer is None or figure.shows_all_maps:
        heads = f"all-{method_name.noun}s"
    elif is_combined(selection):
        heads = f"{selection.combine}-{_shorten(selection.chosen.describe(att))}"
    elif selection.chosen and figure.overlays:
        heads = _shorten(selection.chosen.describe(att))
    else:
        heads = f"layer{selection.layer}" + ("" if method_name.down else f"-head{selection.head}")
    method = [] if att.method == ATTENTION else [_shorten(att.method)]
    hidden = [name for name in ("special", "sink") if getattr(options, name) == "hide"]
    view = [*(["words"] if selection.unit == "words" else []), *([f"without-{'-and-'.join(hidden)}"] if hidden else [])]
    if att.source.ablate or att.source.mask_tokens:
        view.append("changed")
    region = selection.region if figure.takes_region else None
    part = [str(region).replace(":", "-by-")] if region else []
    return "-".join([model, att.kind, *method, heads, *view, *part, figure.name])


def short_model(source: Source) -> str:
    """Return the last part of a model's name as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", source.model.rsplit("/", 1)[-1]).strip("-.")[:40] or "model"


def _shorten(described: str) -> str:
    """Return heads in words as a part of a file name: layer5, all-heads, 12-heads, heads-2.0-2.5."""
    return re.sub(r"[^a-z0-9.]+", "-", re.sub(r"layer ", "layer", described.replace(" and ", " ")))
