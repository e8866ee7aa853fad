"""JavaScript modules for the page and for offline HTML files.

A picture's module exports a default function of `{data, parentElement, setTriggerValue}`, the signature of a Streamlit
v2 component, so that the page and an exported file run the same code on the same bytes (viz.wire.packing). Streamlit
takes one JavaScript text for a component, and a file has no other to import, so `script` joins a module with all that
it imports. Nothing is built beforehand.
"""

from __future__ import annotations

import base64
import gzip
import html
import posixpath
import re
from functools import cache
from hashlib import sha256
from pathlib import Path

_HERE = Path(__file__).parent
_ENTRIES = {
    "instrument": "instrument/standalone.js",
    "instrument_on_page": "page/instrument.js",
    "training": "training/index.js",
    "chart": "chart.js",
    "frames": "page/frames.js",
    "address": "page/address.js",
    "connection": "page/connection.js",
}
# The forms that our modules use. Any other line that imports or exports is refused.
_IMPORT = re.compile(r'^import \{([^{}]*)\} from "(\.{1,2}/[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function|class|const|let) ([\w$]+))", re.MULTILINE)
_DEFAULT = "export default function mount("
_DECLARED = re.compile(r"^(?:(?:async )?function|class|const|let|var) ([\w$]+)", re.MULTILINE)
# Types are half of the source, and for readers of the source.
_TYPES = re.compile(r"^ */\*\*(?:(?!\*/)[\s\S])*\*/\n", re.MULTILINE)
_UNKNOWN = re.compile(r"^(?:import|export)\b.*|^(?:const|let|var) ?[\[{].*|.*\bimport\(.*", re.MULTILINE)
# An exported file is inert: it may run the scripts in it and send no request.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

# The best level takes four times as long for 1% less.
_LEVEL = 6
_OLD_BROWSER = "This browser cannot inflate data: open the file in a version of 2023 or later."


class BundleError(ValueError):
    """The modules cannot be joined into one script."""


@cache
def script(name: str) -> str:
    """Return the JavaScript of a component ("instrument", "chart", "training", ...), with all that it imports."""
    return join(_ENTRIES[name])


@cache
def script_file(name: str) -> str:
    """Return the name under which a server offers a component's script; it changes with the script."""
    return f"{name}-{sha256(script(name).encode()).hexdigest()[:16]}.js"


@cache
def loader(name: str) -> str:
    """Return the JavaScript of a Streamlit component that imports a script from the server."""
    return (_HERE / "page/loader.js").read_text(encoding="utf-8").replace("CODE", script_file(name))


@cache
def style(name: str) -> str:
    """Return the CSS of a picture ("instrument", "chart", "training", ...) or of a page ("page", "frame", "matrices").

    The instrument has a file for each of its parts.
    """
    entry = _HERE / _ENTRIES.get(name, name)
    files = sorted(entry.parent.glob("*.css")) if name == "instrument" else [entry.with_suffix(".css")]
    return "".join(file.read_text(encoding="utf-8") for file in files)


def join(entry: str, root: Path = _HERE) -> str:
    """Return a module and all that it imports as one module, whose only export is the entry's default function.

    Args:
        entry: the path of the module below `root`.
        root: the folder of all modules.

    Raises:
        BundleError: two modules declare one name, a module or a name that is imported does not exist, modules import
            each other, or a line imports or exports in another form than `_IMPORT`, `_EXPORT` and `_DEFAULT`.
    """
    modules: dict[str, str] = {}
    _add(entry, root, modules, ())
    if _DEFAULT not in modules[entry]:
        raise BundleError(f"{entry} has no `{_DEFAULT}...)`")
    declared: dict[str, str] = {}
    for module, code in modules.items():
        for name in _DECLARED.findall(code.replace(_DEFAULT, "function mount(")):
            if name in declared:
                raise BundleError(f"{declared[name]} and {module} both declare {name}")
            declared[name] = module
    return "".join(modules.values())


def _add(module: str, root: Path, modules: dict[str, str], importers: tuple[str, ...]) -> None:
    """Add a module's code to `modules`, without its imports and exports, after that of the modules it imports."""
    if module in importers:
        raise BundleError(f"modules import each other: {' -> '.join((*importers, module))}")
    if module in modules:
        return
    if not (root / module).is_file():
        raise BundleError(f"{' -> '.join((*importers, module))}: {module} does not exist")
    source = (root / module).read_text(encoding="utf-8")
    for names, path in _IMPORT.findall(source):
        imported = posixpath.normpath(posixpath.join(posixpath.dirname(module), path))
        _add(imported, root, modules, (*importers, module))
        exported = _EXPORT.findall((root / imported).read_text(encoding="utf-8"))
        for name in filter(None, (name.strip() for name in names.split(","))):
            if name not in exported:
                raise BundleError(f"{module} imports {name}, which {imported} does not export")
    code = _TYPES.sub("", _EXPORT.sub("", _IMPORT.sub("", source)))
    if unknown := _UNKNOWN.search(code if importers else code.replace(_DEFAULT, "")):
        raise BundleError(f"{module} has a line that cannot be joined: {unknown[0].strip()}")
    modules[module] = code


def standalone(name: str, title: str, data: bytes, *, library: str = "", note: str = "") -> str:
    """Return the HTML that names a picture and draws it when the file is opened, with the library that it needs.

    `note` is a sentence below the title.

    The data are deflated: the browser inflates them before the picture sees them.
    """
    module = script(name).replace(_DEFAULT, "function mount(", 1)
    packed = base64.b64encode(gzip.compress(data, _LEVEL, mtime=0)).decode("ascii")
    return f"""{f"<h1>{html.escape(title)}</h1>" if title else ""}
{f'<p class="note">{html.escape(note)}</p>' if note else ""}
<div id="picture" class="standalone"></div>
<style>{style(name)}</style>
{f"<script>{library}</script>" if library else ""}
<script type="module">
{module}
const parentElement = document.getElementById("picture");
if (globalThis.DecompressionStream) {{
  const text = atob("{packed}");
  const packed = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) packed[place] = text.charCodeAt(place);
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const data = new Uint8Array(await new Response(inflated).arrayBuffer());
  mount({{ data, parentElement, setTriggerValue() {{}} }});
}} else parentElement.textContent = "{_OLD_BROWSER}";
</script>"""


def build_page(title: str, body: str, origin: str, *, frame: bool = False) -> str:
    """Return a whole HTML file that asks for nothing outside itself and carries its origin as JSON.

    In a `frame` of a notebook it has the notebook's light or dark theme; as a file it is light, as paper is.
    """
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Headlight">
<title>{html.escape(title)}</title>
<style>{style("page")}{style("frame") if frame else ""}</style>
<script type="application/json" id="headlight-provenance">{origin.replace("<", chr(92) + "u003c")}</script>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
