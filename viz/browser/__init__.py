"""The pictures that live in a browser: JavaScript modules for the page and for offline HTML files.

Each module is `export default function ({data, parentElement, setTriggerValue})`, the signature of a Streamlit v2
component, so that the page and an exported file run the same code on the same bytes (viz.wire.packing).
"""

from __future__ import annotations

import base64
import html
from functools import cache
from importlib.resources import files

_HERE = files(__package__)
# A picture of more than one subject: the files that its module is put together from.
_PARTS = {"training": ("training_maps", "training_curves", "training")}
# An exported file is inert: it may run what stands in it and ask nobody for anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


@cache
def script(name: str) -> str:
    """Return the JavaScript module of a picture ("flow", "grid", "chart", "training"), whole, with what it shares."""
    return "".join(_read(f"{part}.js") for part in ("shared", *_PARTS.get(name, (name,))))


@cache
def style(name: str) -> str:
    """Return the CSS of a picture ("flow", "grid", "chart", "training", "page")."""
    return _read(f"{name}.css")


def _read(name: str) -> str:
    return _HERE.joinpath(name).read_text(encoding="utf-8")


def standalone(name: str, title: str, data: bytes, *, library: str = "") -> str:
    """Return the HTML that names a picture and draws it when the file is opened, with the library that it needs."""
    module = script(name).replace("export default function", "function mount", 1)
    packed = base64.b64encode(data).decode("ascii")
    return f"""{f"<h1>{html.escape(title)}</h1>" if title else ""}
<div id="picture" class="standalone"></div>
<style>{style(name)}</style>
{f"<script>{library}</script>" if library else ""}
<script type="module">
{module}
const bytes = Uint8Array.from(atob("{packed}"), (character) => character.charCodeAt(0));
mount({{ data: bytes, parentElement: document.getElementById("picture"), setTriggerValue() {{}} }});
</script>"""


def page(title: str, body: str, origin: str) -> str:
    """Return a whole HTML file that asks for nothing outside itself and carries its origin as JSON."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Headlight">
<title>{html.escape(title)}</title>
<style>{style("page")}</style>
<script type="application/json" id="headlight-provenance">{origin.replace("<", chr(92) + "u003c")}</script>
</head>
<body>
{body}
</body>
</html>
"""
