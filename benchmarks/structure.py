"""The structure of a checkout in figures: `python benchmarks/structure.py [FOLDER]`, this one if none is given.

Files and lines per package, the longest file and function, the modules of the project that one export enters, and the
uses of names that the glossary has replaced.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

PACKAGES = ("models", "analysis", "viz", "ui")
# The private vocabulary of the first edition: as identifiers, and as names of functions only.
OLD_NAMES = {
    *("told", "held", "look", "place", "said", "settle", "unheard", "brief", "senses", "proven", "remembered"),
    *("Look", "Place", "Held", "Keep", "Senses", "Order", "UNPLACED", "PATIENCE", "HeadInside", "put_away"),
}
OLD_FUNCTIONS = {
    *("plain", "sentence", "written", "shifted", "fewer", "parsed", "clamped", "changed", "joined", "named"),
    *("checked", "ordered", "begun", "chosen", "choose", "kept", "inside", "note", "hang", "shut", "let"),
}
# Enters what an export of one head enters, and writes the project's modules that ran.
_EXPORT = """
import sys, pathlib
import viz, models
att = models.load_model("minilm").trace("The cat sat on the mat.")["encoder"]
root, entered, crossings = str(pathlib.Path.cwd()) + "/", set(), 0
def ours(frame):
    name = frame.f_code.co_filename if frame else ""
    return name if name.startswith(root) and "/.venv/" not in name else ""
def note(frame, event, argument):
    global crossings
    if event == "call" and ours(frame):
        entered.add(ours(frame))
        crossings += ours(frame.f_back) != ours(frame)
sys.setprofile(note)
viz.export(att, "heatmap", "svg", layer=5, head=11)
sys.setprofile(None)
print(f"{len(entered)}, by {crossings} calls from one module to another")
"""


def longest_function(path: Path) -> tuple[int, str]:
    """Return the number of lines and the name of a file's longest function."""
    found = [(0, "")]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(((node.end_lineno or node.lineno) - node.lineno + 1, f"{path.name}: {node.name}"))
    return max(found)


def old_names(path: Path) -> Counter[str]:
    """Return how often a file uses each replaced name."""
    source = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = Counter(token.string for token in tokens if token.type == tokenize.NAME and token.string in OLD_NAMES)
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return found + Counter(node.name for node in functions if node.name in OLD_FUNCTIONS)


def main(folder: Path) -> None:
    """Print the figures of a checkout."""
    names: Counter[str] = Counter()
    files, functions = [(0, "")], [(0, "")]
    for package in PACKAGES:
        paths = sorted((folder / package).rglob("*.py"))
        lengths = [len(path.read_text(encoding="utf-8").splitlines()) for path in paths]
        scripts = [len(path.read_text(encoding="utf-8").splitlines()) for path in (folder / package).rglob("*.js")]
        javascript = f", JavaScript {len(scripts)} files, {sum(scripts):,} lines" if scripts else ""
        print(f"{package}: {len(paths)} files, {sum(lengths):,} lines{javascript}")
        files += [(length, str(path.relative_to(folder))) for length, path in zip(lengths, paths, strict=True)]
        functions += [longest_function(path) for path in paths]
        names += sum(map(old_names, paths), Counter())
    print("longest file: {1}, {0} lines".format(*max(files)))
    print(f"files over 300 lines: {sum(length > 300 for length, _ in files)}")
    print("longest function: {1}, {0} lines".format(*max(functions)))
    print(f"functions over 50 lines: {sum(length > 50 for length, _ in functions)} (the longest of each file)")
    done = subprocess.run([sys.executable, "-c", _EXPORT], cwd=folder, capture_output=True, text=True, check=False)
    print(f"modules that one export of a heatmap enters: {done.stdout.strip() or done.stderr[-300:]}")
    print(f"uses of replaced names: {names.total():,} ({', '.join(f'{name} {n}' for name, n in names.most_common(8))})")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
