"""The layout of the pages, ui/style.css, as a file that browsers cache and load with the page's HTML.

As an element of the page it would come with the first messages, after a script that Streamlit loads for it, and the
page would first be drawn without it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

_SOURCE = Path(__file__).parents[1] / "style.css"


@cache
def page_style() -> str:
    """Return the CSS. Rules are nested in `:root`, so that they weigh more than Streamlit's, which come later."""
    return f":root {{\n{_SOURCE.read_text(encoding='utf-8')}}}\n"


@cache
def page_style_file() -> str:
    """Return the name under which the server offers the CSS; it changes with the CSS."""
    return f"page-{sha256(page_style().encode()).hexdigest()[:16]}.css"
