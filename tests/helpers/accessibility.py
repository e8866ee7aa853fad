"""What axe-core finds on a page, and where the Tab key goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.helpers.settled import still

_AXE = Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"
# Every rule that is on by default, and the size of targets, which is off.
_OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
# Streamlit's own markup, which no style and no parameter of ours changes: the rule and the elements.
_FOREIGN = {
    # The menu of `st.menu_button` is outside of all landmarks. It has the focus while it is open.
    "region": '[data-testid="stMenuButtonBody"] *',
    # The place on which a file is dropped is hidden from those who hear the page, and has a name nevertheless.
    "presentation-role-conflict": '[data-testid="stFileUploaderDropzone"]',
    # A group of pages ("Learn") is a div between the list and its items, in the navigation of a phone.
    "list": '[data-testid="stSidebarNavItems"]',
    "listitem": '[data-testid="stSidebarNavItems"] li',
}
_FIND = """async ([options, foreign]) => {
    const { violations } = await axe.run(document, options);
    const written = (node) => `${node.target.flat().join(" >>> ")}: ${node.failureSummary.split("\\n")[1].trim()}`;
    return violations.flatMap(({ id, nodes }) => nodes
        .filter(({ target }) => !document.querySelector(target[0])?.matches(foreign[id] ?? ":not(*)"))
        .map((node) => `${id}: ${written(node)}`));
}"""
# The focus may be in a shadow root. A field in a frame of its own (Streamlit's) shows the focus by that frame.
_FOCUSED = """() => {
    let element = document.activeElement;
    while (element.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    // The icons of Streamlit's buttons are text.
    const written = element.matches("main") ? "main"
        : element.getAttribute("aria-label") ?? (element.querySelector("p") ?? element).innerText;
    const isRing = (each) => {
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(each);
        return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || / [2-9](\\.\\d+)?px$/.test(boxShadow);
    };
    const frame = element.closest('[data-testid$="RootElement"], .react-aria-ComboBox') ?? element;
    const { top } = element.getBoundingClientRect();
    return { name: written.trim(), tag: element.tagName, ring: isRing(element) || isRing(frame), top };
}"""


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on a page that has come to rest: the rule, a selector, and the first reason."""
    if not _AXE.exists():
        pytest.fail("No axe-core: run `make javascript`, which brings it.")
    still(page)
    # The page's policy forbids foreign scripts. The browser's debugger may run one.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_AXE.read_text(encoding="utf-8"))
    return page.evaluate(_FIND, [_OPTIONS, _FOREIGN])


def focused(page: Page) -> dict[str, Any]:
    """Return the name of the element with the focus, its top in pixels, and whether it has a visible ring."""
    return page.evaluate(_FOCUSED)
