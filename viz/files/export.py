"""Files to take away: the same views as on the page, as PNG, SVG, PDF, HTML, CSV or NPZ."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from plotly.offline import get_plotlyjs

from models import Attention
from models.errors import BadSelection
from viz import browser
from viz.figures.grid import draw_grid, pack_grid
from viz.figures.heatmap import draw_heatmap, heatmap
from viz.figures.patches import draw_patches, patches
from viz.figures.signal import draw_signal, signal
from viz.figures.token_graph import draw_flow, pack_flow
from viz.files.provenance import VERSION, as_json, provenance
from viz.files.tables import CannotExport, csv_table, npz_table
from viz.head_maps import HeadMaps
from viz.paper.drawing import drawing, fonts_for
from viz.paper.outlines import truetype_in_pdf
from viz.view import Look, head_title, label, token_of
from viz.wire.packing import pack_chart

FIGURES = ("heatmap", "flow", "grid")
PICTURES = ("png", "svg", "pdf", "html")
TABLES = ("csv", "npz")
DPI = 300
MIME = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "html": "text/html",
    "csv": "text/csv",
    "npz": "application/octet-stream",
    "json": "application/json",
}


@dataclass(frozen=True)
class Export:
    """A file's bytes, what it says of its origin, and the characters and emoji that no installed font can draw."""

    data: bytes
    origin: dict[str, Any]
    missing_glyphs: tuple[str, ...] = ()

    @property
    def notice(self) -> str | None:
        """What to say if some characters show as boxes, or emoji of several characters as several pictures."""
        return _glyph_sentence(self.missing_glyphs)


def glyph_notice(att: Attention) -> str | None:
    """Return one sentence if PNG, SVG and PDF cannot show some characters of the tokens, without drawing them."""
    return _glyph_sentence(_fonts(att)[1])


def _fonts(att: Attention) -> tuple[list[str], list[str]]:
    return fonts_for(label(token) for token in (*att.query_tokens, *att.key_tokens))


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


def export(
    att: Attention,
    figure: str,
    file_format: str,
    *,
    layer: int | None = None,
    head: int | None = None,
    look: Look | None = None,
    maps: HeadMaps | None = None,
    image: np.ndarray | None = None,
) -> Export:
    """Return a figure ("heatmap", "flow", "grid", "patches", "signal") or "table" in a format.

    A grid outlines the head if one is given; a table has one head, the heads of one layer, or all. `look.region`
    limits a heatmap, a flow or a table to a window of the head. `maps` spares a grid the work that is done already;
    "patches" needs the `image` of the trace.

    Raises:
        BadSelection: no such layer, head, region or token, or one that is needed is missing.
        CannotExport: the figure does not come in that format, or the table would have too many rows.
    """
    look = look or Look()
    formats = _formats(figure)
    if file_format not in formats:
        raise CannotExport(f"A {figure} cannot be written as {file_format[:40]!r}: choose {', '.join(formats)}.")
    if figure == "patches" and image is None:
        raise BadSelection("The patches of a picture need the picture: give image=trace.image.")
    if figure not in ("grid", "table") and (layer is None or head is None):
        raise BadSelection(f"A {figure} shows one head: give a layer and a head.")
    # A token that is not there is a mistake in any figure, although the flow alone isolates it.
    token_of(att, replace(look, region=""))
    origin = provenance(att, figure, layer, head, look, maps)
    if figure == "table":
        made = csv_table(att, layer, head, look) if file_format == "csv" else npz_table(att, layer, head, look, origin)
        return Export(made, origin)
    if file_format == "html":
        image = image if figure == "patches" else None
        return Export(_html(att, figure, layer, head, look, origin, maps, image).encode("utf-8"), origin)
    drawings: dict[str, Callable[..., Figure]] = {
        "heatmap": draw_heatmap,
        "flow": draw_flow,
        "grid": partial(draw_grid, maps=maps),
        "signal": draw_signal,
    }
    if image is not None:
        drawings["patches"] = partial(draw_patches, image=image)
    return _drawn(att, figure, file_format, layer, head, look, origin, drawings[figure])


def format_of(figure: str, path: str | Path) -> str:
    """Return the format that a file's suffix picks for a figure.

    Raises:
        CannotExport: no such figure, no suffix, or a suffix that the figure does not come in.
    """
    path = Path(path)
    choice = ", ".join(f".{name}" for name in _formats(figure))
    suffix = path.suffix.lower()
    if not suffix:
        raise CannotExport(f"{path.name[:40]!r} has no suffix that would pick a format: choose {choice}.")
    if suffix[1:] not in _formats(figure):
        raise CannotExport(f"A {figure} cannot be written as {path.suffix[:40]!r}: choose {choice}.")
    return suffix[1:]


def _formats(figure: str) -> tuple[str, ...]:
    if figure not in (*FIGURES, "patches", "signal", "table"):
        raise CannotExport(f"There is no figure {figure[:40]!r}: choose heatmap, flow, grid, patches, signal or table.")
    return TABLES if figure == "table" else PICTURES


def save(att: Attention, figure: str, path: str | Path, **selection: Any) -> Export:
    """Write a figure to a file whose suffix picks the format; a CSV gets a sidecar `NAME.csv.json` with its origin.

    Takes the keywords of `export` and raises what it raises.
    """
    path = Path(path)
    file_format = format_of(figure, path)
    made = export(att, figure, file_format, **selection)
    path.write_bytes(made.data)
    if file_format == "csv":
        path.with_name(path.name + ".json").write_text(json.dumps(made.origin, indent=1), encoding="ascii")
    return made


def _drawn(
    att: Attention,
    figure: str,
    file_format: str,
    layer: Any,
    head: Any,
    look: Look,
    origin: dict[str, Any],
    draw: Callable[..., Figure],
) -> Export:
    families, missing = fonts_for(()) if figure in ("grid", "patches", "signal") else _fonts(att)
    file = io.BytesIO()
    with drawing(families), truetype_in_pdf():
        drawn = draw(att, layer, head, look)
        drawn.savefig(file, format=file_format, dpi=DPI, bbox_inches="tight", metadata=_metadata(file_format, origin))
    return Export(file.getvalue(), origin, tuple(missing))


def _metadata(file_format: str, origin: dict[str, Any]) -> dict[str, Any]:
    """Return the origin by the names of a format's metadata; undated, so that equal pictures are equal files."""
    title, maker, described = f"Attention {origin['figure']}", f"Headlight {VERSION}", as_json(origin)
    if file_format == "png":
        return {"Title": title, "Software": maker, "headlight": described}
    if file_format == "svg":
        return {"Title": title, "Creator": maker, "Description": described, "Date": None}
    return {"Title": title, "Creator": maker, "Subject": described, "CreationDate": None}


def _html(
    att: Attention,
    figure: str,
    layer: Any,
    head: Any,
    look: Look,
    origin: dict[str, Any],
    maps: HeadMaps | None,
    image: np.ndarray | None,
) -> str:
    if figure in ("heatmap", "patches", "signal"):
        plain = signal if figure == "signal" else heatmap
        drawn = plain(att, layer, head, look=look) if image is None else patches(att, image, layer, head, look=look)
        name = head_title(att, layer, head)
        packed = pack_chart(drawn, name, buttons=figure == "heatmap")
        body = browser.standalone("chart", "", packed, library=get_plotlyjs())
    else:
        data = pack_flow(att, layer, head, look) if figure == "flow" else pack_grid(att, look, layer, head, maps)
        title = head_title(att, layer, head) if figure == "flow" else f"All heads, {att.kind} attention"
        body = browser.standalone(figure, title, data)
    return browser.page(f"Attention {figure}", body, as_json(origin))
