"""Measures of heads as files: the table as CSV, the pictures as PNG, SVG, PDF and HTML, each with its origin."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from plotly.offline import get_plotlyjs

from models import Attention
from models.arguments import checked
from viz import browser
from viz.figures.measures import measures_view
from viz.figures.measures_grid import grid_to_paper, grid_to_plotly
from viz.figures.measures_points import points_to_paper, points_to_plotly
from viz.figures.measures_scale import head_numbers
from viz.figures.measures_view import HeadPoints, NumbersGrid
from viz.files.export import DPI, Export, file_metadata, write_export
from viz.files.provenance import VERSION, as_json, libraries
from viz.files.tables import spreadsheet_text
from viz.formats import PAPER, PICTURES, CannotExport
from viz.labels import notices_of
from viz.options import DrawOptions
from viz.paper.drawing import drawing
from viz.paper.fonts import find_fonts
from viz.paper.outlines import truetype_in_pdf
from viz.paper.width import parse_width
from viz.wire.packing import pack_chart


def measures_origin(att: Attention | None, figure: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a file says of its origin: model, text and versions, and `facts` of what was measured and drawn."""
    source = {} if att is None else {"source": asdict(att.source), "kind": att.kind}
    notices = {} if att is None or not att.notices else {"notices": list(notices_of(att))}
    return {"made_by": f"Headlight {VERSION}", "figure": figure, **source, **notices, **facts, "versions": libraries()}


def measures_csv(table: pd.DataFrame) -> bytes:
    """Return a table of heads as CSV, one row for each head, with all digits; empty where a number is not defined.

    It begins with a byte order mark, as all our tables do, without which Excel takes UTF-8 for another code page.
    """
    flat = table.reset_index()
    if flat.columns.nlevels > 1:
        flat.columns = pd.Index([" ".join(filter(None, map(str, names))) for names in flat.columns])
    for name in flat.select_dtypes(["object", "string"]).columns:
        flat[name] = flat[name].map(spreadsheet_text, na_action="ignore")
    return flat.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def export_measures(
    view: NumbersGrid | HeadPoints,
    file_format: str,
    origin: dict[str, Any],
    *,
    options: DrawOptions | None = None,
    width: str | None = None,
) -> Export:
    """Return a picture of measures in a format: "png", "svg", "pdf" or "html".

    Raises:
        CannotExport: no such format, or no room for the picture in the width.
    """
    options, inches = options or DrawOptions(), parse_width(width)
    if file_format not in PICTURES:
        choice = ", ".join(PICTURES)
        raise CannotExport(f"A picture of heads cannot be written as {file_format[:40]!r}: choose {choice}.")
    if file_format not in PAPER:
        if inches is not None:
            raise CannotExport("Only PNG, SVG and PDF have a width, not HTML: leave it out.")
        return Export(_html(view, options, origin).encode("utf-8"), origin)
    file = io.BytesIO()
    with drawing(find_fonts(())[0]), truetype_in_pdf():
        if isinstance(view, NumbersGrid):
            drawn = grid_to_paper(view, options, inches)
        else:
            drawn = points_to_paper(view, options, inches)
        if inches is not None and file_format == "png":
            drawn.set_figwidth(round(inches * DPI) / DPI + 1e-6)  # a picture has whole pixels
        drawn.savefig(file, format=file_format, dpi=DPI, metadata=file_metadata(file_format, origin))
    return Export(file.getvalue(), origin)


@checked
def save_heads(
    table: pd.DataFrame,
    figure: str,
    path: str | Path,
    *,
    att: Attention | None = None,
    places: pd.DataFrame | None = None,
    measure: str = "entropy_bits",
    x: str = "entropy_bits",
    y: str = "previous",
    colour: str = "layer",
    find: str = "",
    width: str | None = None,
    options: DrawOptions | None = None,
) -> Export:
    """Write a picture of all heads ("grid", "scatter", or "map" with `places=head_map(att)`), or their "table".

    The suffix of the path picks the format; a CSV gets a sidecar `NAME.csv.json` with its origin. With `att`, the file
    says of which model and text the numbers are. The other arguments are those of `viz.heads_grid`,
    `viz.heads_scatter` and `viz.heads_map`, and the `width` is that of a PNG, SVG or PDF.

    Raises:
        BadSelection: no such figure or measure, no table of heads, or a query that cannot be read.
        CannotExport: the figure does not come in that format or width.
        CannotWrite: the file cannot be written there.
    """
    path = Path(path)
    suffix, choices = path.suffix.lower()[1:], {"measure": measure, "x": x, "y": y, "colour": colour, "find": find}
    origin = measures_origin(att, f"heads {figure}"[:40], {"choices": choices})
    if suffix == "csv":  # the numbers of every picture are the table
        head_numbers(table)
        made = Export(measures_csv(table), origin)
    else:
        view = measures_view(figure, table, places, **choices)
        made = export_measures(view, suffix, origin, options=options, width=width)
    return write_export(path, made)


def _html(view: NumbersGrid | HeadPoints, options: DrawOptions, origin: dict[str, Any]) -> str:
    figure = grid_to_plotly(view, options) if isinstance(view, NumbersGrid) else points_to_plotly(view, options)
    body = browser.standalone("chart", "", pack_chart(figure, view.title), library=get_plotlyjs())
    return browser.build_page(view.title, body, as_json(origin))
