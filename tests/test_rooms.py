"""Imports go headlight -> app -> ui -> viz -> analysis -> models and never back; checked in the source, unexecuted.

Inside a package, some sub-packages must not import each other, and no module has the name of a public function.
Imported libraries are listed in requirements.txt. The instrument in the browser knows nothing of Streamlit.
"""

import ast
import posixpath
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

# From the ground up: a room may import the rooms that stand before it.
ROOMS = ("models", "analysis", "viz", "ui", "app", "headlight")
# Library -> the lowest room that may know it.
LOWEST = {"streamlit": "ui", "plotly": "viz", "matplotlib": "viz"}
BY_NAME = {
    # A notebook asks an attention how it looks. The attention knows the name of what draws it, and imports nothing.
    "models/notebook.py": ["models imports viz.notebook: rooms import only what is below them"],
    # The public names are imported when they are first asked for.
    "headlight/__init__.py": ["headlight imports a module whose name is computed"] * 2,
}
# Only the build of the wheel runs it, with libraries of its own.
NOT_INSTALLED = ROOT / "headlight" / "build_wheel.py"
# The one function that knows how our modules are called, in a checkout and after installation (docs/decisions/0025).
NAMES_A_MODULE = "module_name"
# The functions whose first argument names a module.
BY_TEXT = rf"^__import__$|\b(import_module|resolve_name|{NAMES_A_MODULE})$"
LONGEST_APP = 80
# The shared types at the root of models/; its `__init__` and the command lines `models.fetch` and `models.train` join
# the sub-packages.
SHARED = sorted(path.stem for path in (ROOT / "models").glob("*.py") if path.stem not in ("__init__", "fetch", "train"))
# (module or package, what it must not import).
INNER = (
    ("models.scratch", "models.capture"),
    ("models.scratch", "models.checkpoints"),
    ("models.capture", "models.checkpoints"),
    ("models.capture", "models.scratch"),
    ("models.checkpoints", "models.scratch"),
    ("models.trace_files", "models.checkpoints"),
    ("models.trace_files", "models.scratch"),
    *((f"models.{module}", "models.checkpoints") for module in SHARED),
    *((f"models.{module}", "models.scratch") for module in SHARED),
    ("viz.figures", "viz.files"),
)


def imported(source: str, package: str = "") -> Iterator[str]:
    """The modules that a source imports, also inside functions and by name; relative ones from `package`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield base_of(node, package)
        elif isinstance(node, ast.Call) and re.search(BY_TEXT, ast.unparse(node.func)):
            first = node.args[0] if node.args else None
            # What is called inside is a call of its own in this walk.
            if not (isinstance(first, ast.Call) and ast.unparse(first.func) == NAMES_A_MODULE):
                yield first.value.split(":")[0] if isinstance(first, ast.Constant) else "<computed>"


def base_of(node: ast.ImportFrom, package: str) -> str:
    """The module after `from`; relative ones from `package`."""
    base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    return ".".join([*base, *([node.module] if node.module else [])])


def imported_names(source: str, package: str) -> Iterator[str]:
    """The names after `from ... import`, each with its module: `from models import scratch` is `models.scratch`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{base_of(node, package)}.{alias.name}" for alias in node.names)


def inner_violations(module: str, source: str, package: str) -> list[str]:
    """What a module imports against the rules inside its package."""
    names = {*imported(source, package), *imported_names(source, package)}
    return [
        f"{module} imports {forbidden}"
        for owner, forbidden in INNER
        if belongs(module, owner) and any(belongs(name, forbidden) for name in names)
    ]


def belongs(module: str, package: str) -> bool:
    """Whether a module is a package or in it."""
    return module == package or module.startswith(f"{package}.")


def shadowed(package: str, source: str, modules: set[str]) -> set[str]:
    """The modules of a package with the name of something else that its `__init__`, the source, makes public."""
    public: set[str] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            names = (alias.asname or alias.name for alias in node.names)
            public |= {name for name in names if base_of(node, package) != package}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            public.add(node.name)
        elif isinstance(node, ast.Assign) and "__all__" in map(ast.unparse, node.targets):
            public |= set(ast.literal_eval(node.value))
    return public & modules


def dotted(path: Path) -> str:
    """The name under which a source file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def violations(room: str, source: str, package: str = "") -> list[str]:
    """What a source in a room imports against the rules."""
    level = ROOMS.index(room)
    found = []
    for module in imported(source, package or room):
        top = module.split(".")[0]
        if top == "<computed>":
            found.append(f"{room} imports a module whose name is computed")
        elif top in ROOMS and ROOMS.index(top) > level:
            found.append(f"{room} imports {module}: rooms import only what is below them")
        elif top in LOWEST and level < ROOMS.index(LOWEST[top]):
            found.append(f"{room} imports {module}: nothing below {LOWEST[top]}/ knows {top}")
        elif top in ("tests", "benchmarks"):
            found.append(f"{room} imports {module}")
    return found


def files() -> list[tuple[str, Path]]:
    folders = [room for room in ROOMS if room != "app"]
    inside = [(room, path) for room in folders for path in sorted((ROOT / room).rglob("*.py"))]
    return [*(each for each in inside if each[1] != NOT_INSTALLED), ("app", ROOT / "app.py")]


def test_a_module_imports_only_rooms_below_its_own() -> None:
    found = {}
    for room, path in files():
        package = ".".join(path.relative_to(ROOT).parent.parts)
        if wrong := violations(room, path.read_text(encoding="utf-8"), package):
            found[path.relative_to(ROOT).as_posix()] = wrong
    assert found == BY_NAME


def test_a_module_keeps_the_rules_inside_its_package() -> None:
    found = []
    for _, path in files():
        package = ".".join(path.relative_to(ROOT).parent.parts)
        found += inner_violations(dotted(path), path.read_text(encoding="utf-8"), package)
    assert found == []


def test_no_module_has_the_name_of_a_public_function_of_its_package() -> None:
    found = {}
    for path in (path for _, path in files() if path.name == "__init__.py"):
        modules = {inner.stem for inner in path.parent.iterdir() if inner.suffix == ".py" or inner.is_dir()}
        if names := shadowed(dotted(path), path.read_text(encoding="utf-8"), modules):
            found[dotted(path)] = names
    assert found == {}


def test_every_inner_rule_is_about_modules_that_exist() -> None:
    modules = [dotted(path) for _, path in files()]
    for rule in INNER:
        assert all(any(belongs(module, package) for module in modules) for package in rule), rule


@pytest.mark.slow
def test_every_library_that_is_imported_is_listed_at_the_installed_version() -> None:
    listed = dict(
        re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    )
    pinned = {plain(name): number for name, number in listed.items()}
    tops = {module.split(".")[0] for _, path in files() for module in imported(path.read_text(encoding="utf-8"), "-")}
    libraries = tops - {*sys.stdlib_module_names, *ROOMS, "-", "", "<computed>"}
    assert {"torch", "PIL", "fontTools", "sklearn"} <= libraries
    distributions = packages_distributions()
    for library in sorted(libraries):
        (name,) = distributions[library]
        assert pinned.get(plain(name)) == version(name).partition("+")[0], name


def plain(name: str) -> str:
    """The name of a distribution as indexes compare it: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_room_was_read() -> None:
    seen = [room for room, _ in files()]
    assert all(seen.count(room) >= 2 for room in ROOMS if room != "app")


def test_app_is_a_table_of_contents() -> None:
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) <= LONGEST_APP


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("models", "import analysis"),
        ("models", "from viz.figures.heatmap import heatmap"),
        ("analysis", "def late():\n    from viz import heatmap"),
        ("analysis", "import plotly.graph_objects as go"),
        ("analysis", "class A:\n    def b(self):\n        import matplotlib.pyplot as plt"),
        ("viz", "import numpy, streamlit"),
        ("viz", "if True:\n    from ui.state.inspect import Choice"),
        ("viz", "from streamlit.runtime import Runtime"),
        ("ui", "import app"),
        ("viz", '__import__("streamlit")'),
        ("models", 'import importlib\nimportlib.import_module("plotly")'),
        ("models", 'from importlib import import_module\nimport_module("plotly")'),
        ("models", 'resolve_name(module_name("viz.notebook:as_html"))'),
        ("analysis", 'run_module(module_name("ui.services"))'),
        ("viz", "resolve_name(module_name(name))"),
        ("ui", "from headlight import load_model"),
        ("models", "import importlib\nimportlib.import_module(name)"),
        ("models", "from tests.conftest import minilm"),
        ("models", "try:\n    import streamlit as st\nexcept ImportError:\n    pass"),
    ],
)
def test_the_checker_sees_a_violation(room: str, source: str) -> None:
    assert len(violations(room, source)) == 1


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("models", "import torch, modelsmith\nfrom models.trace import Attention\nfrom . import errors"),
        ("analysis", "from models import Attention"),
        ("viz", "import plotly\nfrom matplotlib.figure import Figure\nfrom analysis import heads\nimport models"),
        ("ui", "import streamlit\nimport viz, analysis, models"),
        ("app", "import streamlit\nfrom ui import state"),
        ("ui", 'run_module(module_name("analysis.recording"))'),
        # A word in a text is no import.
        ("models", '"""Nothing here knows streamlit: import streamlit."""'),
    ],
)
def test_the_checker_lets_pass_what_is_right(room: str, source: str) -> None:
    assert violations(room, source) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("models.scratch.layers", "from models.capture.replay import Replay"),
        ("models.scratch.tasks.task", "from models import checkpoints"),
        ("models.capture.cost", "import models.checkpoints.load"),
        ("models.capture.forward", "def late():\n    from ..scratch import layers"),
        ("models.checkpoints.load", "from models.scratch.networks import ScratchEncoder"),
        ("models.trace", "from models.scratch.tasks import TASKS"),
        ("models.images", "from .checkpoints import limits"),
        ("viz.figures.heatmap", "from viz.files.export import save"),
        ("viz.figures", "from viz import files"),
    ],
)
def test_the_checker_sees_a_violation_inside_a_package(module: str, source: str) -> None:
    package = module if module == "viz.figures" else module.rpartition(".")[0]
    assert len(inner_violations(module, source, package)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("models.train", "from models.scratch.tasks import TASKS"),
        ("models", "from models.scratch import auto_classes\nfrom models.checkpoints.load import load_model"),
        ("models.checkpoints.load", "from models.capture.replay import Layer"),
        ("models.scratch.tasks.task", "from models.scratch.networks import ScratchEncoder"),
        ("viz.files.export", "from viz.figures.heatmap import heatmap"),
    ],
)
def test_the_checker_lets_pass_what_is_right_inside_a_package(module: str, source: str) -> None:
    assert inner_violations(module, source, module.rpartition(".")[0]) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from viz.figures.grid import draw as grid", {"grid"}),
        ("def grid():\n    pass", {"grid"}),
        ('__all__ = ["grid"]', {"grid"}),
        ("from viz import grid", set()),  # the module itself
        ("from viz.figures.grid import draw", set()),
    ],
)
def test_the_checker_sees_a_module_with_the_name_of_a_function(source: str, found: set[str]) -> None:
    assert shadowed("viz", source, {"grid", "heatmap"}) == found


def test_relative_imports_are_followed() -> None:
    assert list(imported("from .. import viz\nfrom ..viz import flow", "ui.pages")) == ["ui", "ui.viz"]


# --- ui/services draws nothing ----------------------------------------------------------------------------------------

# What services may use of streamlit: the session of a visitor and its request, neither of which draws.
WITHOUT_WIDGETS = ("session_state", "context")


def widget_violations(source: str) -> list[str]:
    """What a module of ui/services uses of streamlit beyond WITHOUT_WIDGETS, and of ui/ beyond ui/services."""
    found, names = [], set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or "streamlit" for alias in node.names if alias.name == "streamlit"}
        if isinstance(node, ast.ImportFrom) and node.module == "streamlit":
            found += [f"imports streamlit.{alias.name}" for alias in node.names if alias.name not in WITHOUT_WIDGETS]
    for module in imported(source, "ui.services"):
        if module.startswith("streamlit."):
            found.append(f"imports {module}")
        elif re.match(r"ui(?!\w|\.services\b)", module):
            found.append(f"imports {module}: only pages and panels draw")
    attributes = {node.value: node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        used = attributes.get(node, "all of it")
        if isinstance(node, ast.Name) and node.id in names and used not in WITHOUT_WIDGETS:
            found.append(f"uses {used} of streamlit")
    return found


def services() -> list[Path]:
    return sorted((ROOT / "ui" / "services").rglob("*.py"))


def test_services_call_no_widget() -> None:
    found = {path.stem: widget_violations(path.read_text(encoding="utf-8")) for path in services()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_every_service_was_read() -> None:
    assert {"jobs", "models", "traces", "trainings", "visitor"} <= {path.stem for path in services()}


@pytest.mark.parametrize(
    "source",
    [
        "import streamlit as st\nst.button('Stop')",
        "import streamlit\ndef late():\n    streamlit.error('no')",
        "import streamlit as st\nst.session_state.button = st.button",
        "import streamlit as st\ngetattr(st, 'button')('Stop')",
        "from streamlit import error",
        "from streamlit import session_state, fragment",
        "from streamlit.runtime import Runtime",
        "import streamlit.components.v1",
        "from ui.panels.export import export_controls",
        "from ui import messages",
        "from ..messages import escape_markdown",
    ],
)
def test_the_checker_sees_a_widget_in_a_service(source: str) -> None:
    assert len(widget_violations(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import streamlit as st\nst.session_state.setdefault('visitor', '1')\nst.context.url",
        "from streamlit import session_state",
        "from ui.services.jobs import Job\nfrom .settings import budget\nfrom models import Model",
        "class st:\n    button = 1\nst.button",
    ],
)
def test_the_checker_lets_services_pass_that_draw_nothing(source: str) -> None:
    assert widget_violations(source) == []


# --- the folders of viz/browser ---------------------------------------------------------------------------------------

BROWSER = ROOT / "viz" / "browser"
# Folder of modules -> the folders from which it imports. The page mounts the instrument; nothing imports the page.
IMPORTED_BY = {
    "core": {"core"},
    "instrument": {"instrument", "core"},
    "training": {"training", "core"},
    "page": {"page", "instrument", "core"},
    "": {"core"},
}
# What only a component of Streamlit has. A file and a notebook show the instrument without it (docs/decisions/0019).
OF_STREAMLIT = re.compile(r"streamlit|setStateValue|setTriggerValue|\bst-key\b|data-testid", re.IGNORECASE)


def browser_violations(folder: str, source: str) -> list[str]:
    """What a module in a folder of viz/browser imports or names against the rules; types are imported as well."""
    found = []
    for path in re.findall(r'(?:from |import\()"([^"]+)"', source):
        parts = posixpath.normpath(posixpath.join(folder, path)).split("/")
        if (parts[0] if len(parts) > 1 else "") not in IMPORTED_BY[folder]:
            found.append(f"imports {path}")
    if folder == "instrument":
        found += [f"names {name}" for name in OF_STREAMLIT.findall(source)]
    return found


def scripts() -> list[Path]:
    return sorted(BROWSER.rglob("*.js"))


def test_a_script_imports_only_what_its_folder_may() -> None:
    found = {}
    for path in scripts():
        folder = path.parent.relative_to(BROWSER).as_posix().removeprefix(".")
        if wrong := browser_violations(folder, path.read_text(encoding="utf-8")):
            found[path.relative_to(BROWSER).as_posix()] = wrong
    assert found == {}


def test_every_folder_of_scripts_was_read() -> None:
    folders = {path.parent.relative_to(BROWSER).as_posix().removeprefix(".") for path in scripts()}
    assert folders == set(IMPORTED_BY)


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("instrument", 'import { addressBar } from "../page/address_bar.js";'),
        ("instrument", '/** @import { Mounted } from "../page/instrument.js" */'),
        ("instrument", 'import {\n  a,\n  b,\n} from "../training/index.js";'),
        ("instrument", 'import { chart } from "../chart.js";'),
        ("instrument", 'const late = await import("../page/frames.js");'),
        ("instrument", "// as Streamlit does"),
        ("instrument", "setStateValue(1);"),
        ("core", 'import { Store } from "../instrument/store.js";'),
        ("training", 'import { Store } from "../instrument/store.js";'),
        ("page", 'import { Training } from "../training/index.js";'),
    ],
)
def test_the_checker_sees_a_violation_in_the_browser(folder: str, source: str) -> None:
    assert len(browser_violations(folder, source)) == 1


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("instrument", 'import { fill } from "../core/text.js";\nimport { Store } from "./store.js";'),
        ("page", "// Streamlit removes components.\n" + 'import { Instrument } from "../instrument/index.js";'),
        ("instrument", "// from the page, of the host"),
    ],
)
def test_the_checker_lets_pass_what_is_right_in_the_browser(folder: str, source: str) -> None:
    assert browser_violations(folder, source) == []
