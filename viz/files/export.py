"""Files to take away: the same views as on the page, as PNG, SVG, PDF, HTML, CSV or NPZ.

The HTML of a figure that the instrument draws is the whole instrument, opened on what the figure shows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from plotly.offline import get_plotlyjs

from analysis.head_set import HeadSet
from analysis.selection import Region, Selection, TokenRef
from models import Attention
from models.arguments import checked
from models.errors import CannotWrite, short_message
from models.method_names import name_method
from viz import browser
from viz.figures.base import Figure, Subject, View
from viz.figures.registry import find_figure
from viz.files.page import describe_contents, instrument_html, page_title
from viz.files.provenance import VERSION, as_json, provenance
from viz.files.tables import csv_table, npz_table
from viz.formats import PAPER, CannotExport
from viz.head_maps import HeadMaps
from viz.labels import label
from viz.options import DrawOptions
from viz.paper.drawing import drawing
from viz.paper.fonts import find_fonts
from viz.paper.outlines import truetype_in_pdf
from viz.paper.width import parse_width
from viz.views import view_of

DPI = 300


@dataclass(frozen=True)
class Export:
    """A file's bytes, what it says of its origin, and the characters and emoji that no installed font can draw."""

    data: bytes = field(repr=False)  # a notebook prints what ends a cell
    origin: dict[str, Any]
    missing_glyphs: tuple[str, ...] = ()

    @property
    def notice(self) -> str | None:
        """What to say if some characters show as boxes, or emoji of several characters as several pictures."""
        return _glyph_sentence(self.missing_glyphs)


def glyph_notice(att: Attention) -> str | None:
    """Return one sentence if PNG, SVG and PDF cannot show some characters of the tokens, without drawing a figure."""
    return _glyph_sentence(_fonts(att)[1])


def _fonts(att: Attention) -> tuple[list[str], list[str]]:
    return find_fonts(label(token) for token in (*att.query_tokens, *att.key_tokens))


def _glyph_sentence(missing: Sequence[str]) -> str | None:
    boxes, pieces = ([each for each in missing if (len(each) > 1) == several] for several in (False, True))
    sentences = []
    if boxes:
        sentences.append(
            f"No installed font can draw {_listed(boxes)}, so they show as boxes in this file: install a font that "
            "has them (Debian: fonts-noto-cjk, fonts-symbola, fonts-noto-core), or export HTML, which uses the "
            "reader's fonts."
        )
    if pieces:
        sentences.append(
            f"No installed font joins {_listed(pieces)} into one picture, so it shows as several in this file: "
            "export HTML, which uses the reader's fonts."
        )
    return " ".join(sentences) or None


def _listed(missing: Sequence[str]) -> str:
    shown = ", ".join(f"{text} ({' '.join(f'U+{ord(each):04X}' for each in text)})" for text in missing[:12])
    return shown + (f" and {len(missing) - 12} more" if len(missing) > 12 else "")


@checked
def export(
    att: Attention,
    figure: str,
    file_format: str,
    *,
    layer: int | None = None,
    head: int | None = None,
    token: TokenRef | str | None = None,
    region: Region | str | None = None,
    options: DrawOptions | None = None,
    maps: HeadMaps | None = None,
    image: np.ndarray | None = None,
    unit: str = "pieces",
    heads: HeadSet | str = "",
    combine: str = "overlay",
    width: str | None = None,
) -> Export:
    """Return a figure ("heatmap", "flow", "grid", "view", "patches", "signal", "sound") or "table".

    A grid outlines the head if one is given; a table has one head, the heads of one layer, or all. `region` limits a
    heatmap, a flow or a table to a part of the head, such as "0-63:128-191". `token` is the one that a flow isolates,
    and the query of "patches" and "signal", such as "query:8". `maps` spares a grid the work that is done already;
    "patches" needs the `image` of the trace. `unit`, `heads` and `combine` choose words and several heads, as in
    `viz.heatmap`, `viz.flow` and `viz.grid`. `width` is that of a PNG, SVG or PDF, such as "8cm", "85mm" or "3.3in".

    Raises:
        BadSelection: no such layer, head, region or token, or one that is needed is missing.
        CannotExport: the figure does not come in that format or width, or the table would have too many rows.
    """
    selection = Selection.parse(layer, head, token=token, region=region, unit=unit, heads=heads, combine=combine)
    return export_figure(find_figure(figure), file_format, Subject(att, image, maps), selection, options, width=width)


def export_figure(
    figure: Figure[Any],
    file_format: str,
    subject: Subject,
    selection: Selection,
    options: DrawOptions | None = None,
    *,
    width: str | None = None,
) -> Export:
    """Return a figure of `FIGURES` in a format.

    Raises:
        BadSelection: no such layer, head, region or token, or one that is needed is missing.
        CannotExport: the figure does not come in that format or width, or the table would have too many rows.
    """
    inches = parse_width(width)
    if inches is not None and file_format not in PAPER:
        raise CannotExport(f"Only PNG, SVG and PDF have a width, not {file_format[:40].upper()}: leave it out.")
    if file_format not in figure.formats:
        choice = ", ".join(figure.formats)
        raise CannotExport(f"A {figure.name} cannot be written as {file_format[:40]!r}: choose {choice}.")
    options, att = options or DrawOptions(), subject.att
    figure.check_heads(selection)
    # A token that the text does not have is a mistake in any figure, although few figures isolate it.
    Selection(token=selection.token).token_in(att)
    view = figure.view(subject, selection, options)
    origin = provenance(att, figure, selection, options, view)
    if file_format == "csv":
        return Export(csv_table(view), origin)
    if file_format == "npz":
        return Export(npz_table(view, origin), origin)
    if file_format == "html":
        return Export(_html(figure, view, subject, selection, options, origin).encode("utf-8"), origin)
    return _on_paper(subject, figure, file_format, view, selection, options, origin, inches)


def describe_file(
    figure: Figure[Any], file_format: str, subject: Subject, selection: Selection, options: DrawOptions
) -> str:
    """Return one sentence that says which part of the attention a file contains.

    Raises:
        BadSelection: no such region or token.
    """
    if file_format == "html" and figure.opens_instrument:
        return describe_contents(subject.att, selection)
    return figure.contents(subject, selection, options)


def format_of(figure: str, path: str | Path) -> str:
    """Return the format that a file's suffix picks for a figure.

    Raises:
        CannotExport: no such figure, no suffix, or a suffix that the figure does not come in.
    """
    path, formats = Path(path), find_figure(figure).formats
    choice = ", ".join(f".{name}" for name in formats)
    suffix = path.suffix.lower()
    if not suffix:
        raise CannotExport(f"{path.name[:40]!r} has no suffix that would pick a format: choose {choice}.")
    if suffix[1:] not in formats:
        raise CannotExport(f"A {figure} cannot be written as {path.suffix[:40]!r}: choose {choice}.")
    return suffix[1:]


@checked
def save(att: Attention, figure: str, path: str | Path, **given: Any) -> Export:
    """Write a figure to a file whose suffix picks the format; a CSV gets a sidecar `NAME.csv.json` with its origin.

    Takes the keywords of `export` and raises what it raises, and `CannotWrite` if the file cannot be written there.
    """
    made = export(att, figure, format_of(figure, path), **given)
    return write_export(Path(path), made)


def write_export(path: Path, made: Export) -> Export:
    """Write an export to a file, and return it; a CSV gets a sidecar `NAME.csv.json` with its origin.

    Raises:
        CannotWrite: the file cannot be written there.
    """
    try:
        return _write(path, made)
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        name = ascii(path.name)[:80]
        raise CannotWrite(f"{name} cannot be written ({short_message(error)}): give a folder that is there.") from error


def save_figure(
    figure: Figure[Any],
    path: Path,
    subject: Subject,
    selection: Selection,
    options: DrawOptions,
    *,
    width: str | None = None,
) -> Export:
    """Write a figure of `FIGURES` as `save` does, and raise what `export_figure` raises."""
    made = export_figure(figure, format_of(figure.name, path), subject, selection, options, width=width)
    return _write(path, made)


def _write(path: Path, made: Export) -> Export:
    path.write_bytes(made.data)
    if path.suffix.lower() == ".csv":
        path.with_name(path.name + ".json").write_text(json.dumps(made.origin, indent=1), encoding="ascii")
    return made


def _on_paper(
    subject: Subject,
    figure: Figure[View],
    file_format: str,
    view: View,
    selection: Selection,
    options: DrawOptions,
    origin: dict[str, Any],
    width: float | None,
) -> Export:
    # Words may have characters that no piece has.
    shown = view_of(subject.att, replace(selection, combine="overlay"), options)[0]
    families, missing = _fonts(shown) if figure.shows_tokens else find_fonts(())
    file = io.BytesIO()
    with drawing(families), truetype_in_pdf():
        drawn = figure.to_paper(view, options, width)
        if width is not None and file_format == "png":
            drawn.set_figwidth(round(width * DPI) / DPI + 1e-6)  # a picture has whole pixels
        drawn.savefig(file, format=file_format, dpi=DPI, metadata=file_metadata(file_format, origin))
    return Export(file.getvalue(), origin, tuple(missing))


def file_metadata(file_format: str, origin: dict[str, Any]) -> dict[str, Any]:
    """Return the origin by the names of a format's metadata; undated, so that equal pictures are equal files."""
    title = _title(origin.get("method", "attention"), origin["figure"])  # measures of heads are of no method
    maker, described = f"Headlight {VERSION}", as_json(origin)
    if file_format == "png":
        return {"Title": title, "Software": maker, "headlight": described}
    if file_format == "svg":
        return {"Title": title, "Creator": maker, "Description": described, "Date": None}
    return {"Title": title, "Creator": maker, "Subject": described, "CreationDate": None}


def _title(method: str, figure: str) -> str:
    """Return what a file is called: "Attention heatmap", or the method and the figure."""
    return f"{name_method(method).title or 'Attention'} {figure}"


def _html(
    figure: Figure[View],
    view: View,
    subject: Subject,
    selection: Selection,
    options: DrawOptions,
    origin: dict[str, Any],
) -> str:
    if figure.opens_instrument:
        body = instrument_html(subject, selection, options)
        return browser.build_page(page_title(subject.att), body, as_json(origin))
    # A Plotly chart has its title in itself, and needs the library.
    body = browser.standalone("chart", "", figure.to_wire(view, options), library=get_plotlyjs())
    return browser.build_page(_title(subject.att.method, figure.name), body, as_json(origin))
