"""Modules are joined into one script: in order, without imports, and never with two meanings of one name."""

import re
from pathlib import Path

import pytest

from tests.helpers.node import call, node
from tests.helpers.paths import ROOT
from viz.browser import bundle
from viz.browser.bundle import _ENTRIES, BundleError, join, loader, script, script_file, style
from viz.wire.instrument import PARTS

MOUNT = "export default function mount({ data }) {\n  return data;\n}\n"


def write(root: Path, **modules: str) -> Path:
    for name, code in modules.items():
        path = root / f"{name.replace('__', '/')}.js"
        path.parent.mkdir(exist_ok=True)
        path.write_text(code, encoding="utf-8")
    return root


def test_a_module_stands_after_what_it_imports_and_each_stands_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        entry=f'import {{ b }} from "./inner/b.js";\nimport {{ a }} from "./a.js";\n{MOUNT}',
        inner__b='import { a } from "../a.js";\n\nexport const b = a + 1;\n',
        a="export const a = 1;\n",
    )
    assert join("entry.js", tmp_path) == f"const a = 1;\n\nconst b = a + 1;\n{MOUNT}"


def test_several_names_are_imported_over_several_lines(tmp_path: Path) -> None:
    write(
        tmp_path,
        entry=f'import {{\n  one,\n  Two,\n  three,\n}} from "./a.js";\n{MOUNT}',
        a="export function one() {}\nexport class Two {}\nexport async function three() {}\nconst own = 1;\n",
    )
    made = join("entry.js", tmp_path)
    assert made == f"function one() {{}}\nclass Two {{}}\nasync function three() {{}}\nconst own = 1;\n{MOUNT}"


def test_types_are_left_out_and_comments_and_casts_stay(tmp_path: Path) -> None:
    cast = "  /** @type {any} */ (window).a = 1;\n"
    kept = f"// why\nfunction a() {{\n{cast}}}\n"
    types = '/** @import { A } from "./a.js" */\n\n/**\n * What.\n * @param {string} b\n */\n'
    write(tmp_path, entry=types + kept + "  /** @type {A} */\n" + MOUNT)
    assert join("entry.js", tmp_path) == f"\n{kept}{MOUNT}"


@pytest.mark.parametrize(
    ("modules", "why"),
    [
        (
            {
                "entry": f'import {{ a }} from "./a.js";\nconst low = 1;\n{MOUNT}',
                "a": "let low;\nexport const a = 1;\n",
            },
            "a.js and entry.js both declare low",
        ),
        (
            {"entry": f'import {{ a }} from "./a.js";\n{MOUNT}', "a": "export function a() {}\nfunction mount() {}\n"},
            "a.js and entry.js both declare mount",
        ),
        ({"entry": f'import {{ a }} from "./b.js";\n{MOUNT}'}, "entry.js -> b.js: b.js does not exist"),
        (
            {"entry": f'import {{ b }} from "./a.js";\n{MOUNT}', "a": "export const a = 1;\nconst b = 2;\n"},
            "entry.js imports b, which a.js does not export",
        ),
        (
            {"entry": f'import {{ a as b }} from "./a.js";\n{MOUNT}', "a": "export const a = 1;\n"},
            "entry.js imports a as b, which a.js does not export",
        ),
        (
            {
                "entry": f'import {{ a }} from "./a.js";\n{MOUNT}',
                "a": 'import { b } from "./b.js";\nexport const a = b;\n',
                "b": 'import { a } from "./a.js";\nexport const b = a;\n',
            },
            "modules import each other: entry.js -> a.js -> b.js -> a.js",
        ),
        ({"entry": f'import a from "./a.js";\n{MOUNT}'}, 'import a from "./a.js";'),
        ({"entry": f'import * as a from "./a.js";\n{MOUNT}'}, "import * as a"),
        ({"entry": f'import "./a.js";\n{MOUNT}'}, 'import "./a.js"'),
        ({"entry": f'import {{ a }} from "library";\n{MOUNT}'}, 'from "library"'),
        ({"entry": f'const a = await import("./a.js");\n{MOUNT}'}, "await import"),
        ({"entry": f"const a = 1;\nexport {{ a }};\n{MOUNT}"}, "export { a };"),
        ({"entry": f"export const [a] = [1];\n{MOUNT}"}, r"export const \[a\]"),
        ({"entry": f"const {{ a }} = window;\n{MOUNT}"}, "const { a } = window;"),
        ({"entry": f'import {{ a }} from "./a.js";\n{MOUNT}', "a": f"export const a = 1;\n{MOUNT}"}, "a.js has a line"),
        ({"entry": "export const a = 1;\n"}, "entry.js has no `export default function mount"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, modules: dict[str, str], why: str) -> None:
    write(tmp_path, **modules)
    with pytest.raises(BundleError, match=why.replace("(", r"\(").replace("{", r"\{").replace("*", r"\*")):
        join("entry.js", tmp_path)


@pytest.mark.parametrize("name", _ENTRIES)
def test_every_component_is_one_module_that_parses(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bundle.mjs"
    path.write_text(script(name), encoding="utf-8")
    node("--check", str(path))
    assert script(name).count("export default function mount(") == 1


def test_pictures_have_styles() -> None:
    for name in ("instrument", "training", "chart", "page", "matrices"):
        assert "{" in style(name)


def test_the_instruments_style_is_that_of_all_its_parts() -> None:
    files = list((ROOT / "viz" / "browser" / "instrument").glob("*.css"))
    assert len(files) >= len(PARTS)
    for file in files:
        assert file.read_text(encoding="utf-8") in style("instrument")


@pytest.mark.parametrize("name", ["instrument_on_page", "training"])
def test_a_script_has_a_name_of_its_contents(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    named = script_file.__wrapped__(name)
    assert re.fullmatch(rf"{name}-[0-9a-f]{{16}}\.js", named)
    assert script_file(name) == named
    monkeypatch.setattr(bundle, "script", lambda name: script(name) + "\n")
    assert script_file.__wrapped__(name) != named


def test_the_loader_imports_the_script_and_nothing_else(tmp_path: Path) -> None:
    code = loader("instrument_on_page")
    assert code.count(f"vendor/{script_file('instrument_on_page')}`") == code.count("import(") == 1
    assert "CODE" not in code
    # Streamlit sends it with the page: the instrument's own code does not come along.
    assert len(code) < 2000 < len(script("instrument_on_page")) / 10
    path = tmp_path / "loader.mjs"
    path.write_text(code, encoding="utf-8")
    node("--check", str(path))


# What the loader does with two components, the first of which ends before the code comes. `data` are the address of
# Streamlit's own script, if the page has one, and that of the page.
LOADED = """
    const [src, base] = data;
    const app = src === null ? null : { src };
    globalThis.document = { baseURI: base, querySelector: () => app };
    const found = [];
    const source = readFileSync("viz/browser/page/loader.js", "utf-8")
      .replace("import(", "fetchCode(").replace("export default ", "");
    let give;
    const fetchCode = (url) => { found.push(url); return new Promise((resolve) => { give = resolve; }); };
    const mount = new Function("fetchCode", `${source}; return mount;`)(fetchCode);
    const module = {
      default: ({ data, parentElement, setStateValue, server }) => {
        found.push(["mounted", data, parentElement, setStateValue, server]);
        return () => found.push("ended");
      },
    };
    const given = { parentElement: "parent", setStateValue: "send" };
    const endEarly = mount({ data: "early", ...given });
    endEarly();
    const end = mount({ data: "message", ...given });
    give(module);
    await new Promise((resolve) => setTimeout(resolve));
    end();
    const result = found;"""


@pytest.mark.parametrize(
    ("src", "base", "server"),
    [
        ("http://a/static/js/index.1.js", "http://a/steps", "http://a/"),
        ("http://a/tools/static/js/index.1.js", "http://a/tools/steps", "http://a/tools/"),
        (None, "http://a/tools/", "http://a/tools/"),
    ],
)
def test_the_loader_finds_the_server_and_mounts_what_is_still_there(src: str | None, base: str, server: str) -> None:
    assert call(LOADED, [src, base]) == [
        f"{server}vendor/CODE",
        # The component that ended before the code came is not mounted.
        ["mounted", "message", "parent", "send", server],
        "ended",
    ]


def test_every_module_is_type_checked_and_short() -> None:
    paths = [*(ROOT / "viz" / "browser").rglob("*.js"), *(ROOT / "tests" / "js").glob("*.js")]
    assert len(paths) > 20
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0] == "// @ts-check", path
        assert len(lines) <= 300, path


def test_no_javascript_is_outside_of_the_modules() -> None:
    for path in (ROOT / "ui").rglob("*"):
        assert path.suffix != ".js"
        if path.suffix == ".py":
            assert "export default" not in path.read_text(encoding="utf-8"), path
