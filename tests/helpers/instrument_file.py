"""The instrument in a file, without Streamlit and without a server: one HTML page of a trace."""

from pathlib import Path

from models import Attention
from viz import browser
from viz.wire.instrument import Opening, trace_message


def write_instrument(path: Path, att: Attention, selection: str = "layer=3&head=1", **options: object) -> str:
    """Write a page with the instrument that opens a selection, and return its URL."""
    message = trace_message(att, Opening("test", selection), **options)  # type: ignore[arg-type]
    body = browser.standalone("instrument", "", message)
    path.write_text(browser.build_page("Instrument", body, "{}"), encoding="utf-8")
    return path.as_uri()
