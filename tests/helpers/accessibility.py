"""What axe-core finds on a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

_AXE = Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"

# What Streamlit draws and no style of ours reaches: rule, the elements, and why.
FOREIGN: tuple[tuple[str, str], ...] = ()


def violations(page: Page) -> list[str]:
    """Return what all rules of axe-core find, one line for each element: rule, selector and reason."""
    if not _AXE.exists():
        pytest.fail("No axe-core: run `make javascript`, which brings it.")
    # The page's policy forbids foreign scripts. The browser's debugger runs this one.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {_selector(node['target'])}: {node['failureSummary'].splitlines()[1].strip()}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if (rule["id"], True) not in [(name, _matches(page, node["target"], where)) for name, where in FOREIGN]
    ]


def _selector(target: list[Any]) -> str:
    """Return where an element is; an element in a shadow root has a selector for each root."""
    return " ".join(each if isinstance(each, str) else " >>> ".join(each) for each in target)


def _matches(page: Page, target: list[Any], selector: str) -> bool:
    if not isinstance(target[-1], str):
        return False
    return page.evaluate(
        "([target, selector]) => document.querySelector(target)?.matches(selector) ?? false", [target[-1], selector]
    )
