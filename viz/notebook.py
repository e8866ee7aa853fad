"""The instrument in a notebook: the file of an attention in an isolated frame below the cell.

viz.show(trace, layer=3, head=1)     # the same for an attention; without layer and head, the first head
trace                                # a notebook shows it by itself
"""

from __future__ import annotations

import html
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from analysis.head_set import HeadSet
from analysis.selection import Region, Selection, TokenRef
from models import Attention, AttentionTrace
from models.arguments import checked
from models.errors import BadSelection
from viz import browser
from viz.figures.base import Subject
from viz.figures.view import InstrumentView
from viz.files.page import has_all_weights, instrument_html, page_title
from viz.files.provenance import as_json, provenance
from viz.head_maps import HeadMaps
from viz.options import DrawOptions

HEIGHT = 760
# A cell of a notebook must not wait for the maps of all heads of a long text: it shows those that are known by then.
MAPS_SECONDS = 5.0
# The frame has another origin than the notebook (no allow-same-origin): neither reads or styles the other.
_FRAME = """<div class="headlight-frame" style="height:{height}px;resize:vertical;overflow:hidden;margin:0;padding:0">
<style>:is([data-jp-theme-light="false"],[data-vscode-theme-kind*="dark"],[theme="dark"],[data-theme="dark"])
.headlight-frame iframe{{color-scheme:dark}}</style>
<iframe title="{title}" sandbox="allow-scripts allow-downloads" allow="clipboard-write" srcdoc="{page}"
style="display:block;width:100%;max-width:none;height:100%;border:0;margin:0;padding:0"></iframe></div>"""


@dataclass(frozen=True)
class Shown:
    """What a notebook shows. `page` is the whole HTML page in the frame, `height` that of the frame in pixels."""

    title: str
    page: str
    height: int

    def _repr_html_(self) -> str:
        title, page = html.escape(self.title), self.page.replace("&", "&amp;").replace('"', "&quot;")
        return _FRAME.format(title=title, page=page, height=self.height)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<{self.title}: open this in a notebook>"


@checked
def show(
    trace: AttentionTrace | Attention,
    layer: int | None = None,
    head: int | None = None,
    *,
    kind: str | None = None,
    token: TokenRef | str | None = None,
    region: Region | str | None = None,
    unit: str = "pieces",
    heads: HeadSet | str = "",
    combine: str = "overlay",
    height: int = HEIGHT,
    options: DrawOptions | None = None,
) -> Shown:
    """Return an object that a notebook shows as the instrument, opened on a head.

    Args:
        trace: a trace, or one attention of it.
        layer: of the head; without layer and head, the first head.
        head: of the layer.
        kind: "encoder", "decoder" or "cross"; by default the first kind that the trace has.
        token: the token that is locked at first, such as "query:8".
        region: the part of the head that is shown at first, such as "0-63:128-191".
        height: of the frame in pixels; its lower edge can be dragged. Its width is that of the notebook.
        unit: "pieces" or "words".
        heads: several heads, such as "2" (a layer), "2.0,3.5" or "all".
        combine: "overlay", "mean" or "maximum" of the heads.
        options: how it is drawn at first; without them, the colours follow the notebook's light or dark theme.

    Raises:
        BadSelection: no such kind, layer, head, token or region.
    """
    att, figure = _attention_of(trace, kind), InstrumentView()
    selection = Selection.parse(layer, head, token=token, region=region, heads=heads, unit=unit, combine=combine)
    figure.check_heads(selection)
    image = trace.image if isinstance(trace, AttentionTrace) else None
    subject = Subject(att, image, None if has_all_weights(att) else _maps_in_time(att))
    drawn = options or DrawOptions()
    view = figure.view(subject, selection, drawn)
    origin = as_json(provenance(att, figure, selection, drawn, view))
    body = instrument_html(subject, selection, drawn, palette=None if options else "automatic", with_title=False)
    title = page_title(att)
    return Shown(title, browser.build_page(title, body, origin, frame=True), height)


def as_html(trace: AttentionTrace | Attention) -> str:
    """Return what a notebook shows of a trace or an attention (models/notebook.py)."""
    return show(trace)._repr_html_()


def _attention_of(trace: AttentionTrace | Attention, kind: str | None) -> Attention:
    if isinstance(trace, AttentionTrace):
        return trace[kind or trace.kinds[0]]
    if kind not in (None, trace.kind):
        raise BadSelection(f"There is no {kind!r} attention here: this is {trace.kind} attention.")
    return trace


class _LateError(Exception):
    """The time for maps is over."""


def _maps_in_time(att: Attention) -> HeadMaps:
    """Return the maps of as many layers as are computed within `MAPS_SECONDS`, one at least."""
    maps, end = HeadMaps.empty(att), monotonic() + MAPS_SECONDS

    def stop_if_late(done: int, total: int) -> None:
        if monotonic() > end:
            raise _LateError

    with suppress(_LateError):
        maps.fill(att, stop_if_late)
    return maps
