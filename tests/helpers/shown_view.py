"""What a page shows of a view, and the same from Python: words, hidden tokens, several heads."""

import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from models import Attention
from tests.helpers.settled import eventually
from tests.helpers.visitor import wait_until_idle
from viz.labels import label

SHORT = "The cat sat on the unbelievably comfortable mattress because it was overtired."
# More than 128 pieces, and between 64 and 128 words: the server sends the words head by head.
_OPENINGS = (("The", "old"), ("Some", "new"), ("Many", "red"), ("Few", "big"), ("Most", "odd"), ("All", "shy"))
LONG = " ".join(
    f"{one} unbelievably overtired researchers reparametrized {other} tokenizers, and it slept."
    for one, other in (*_OPENINGS, ("Two", "sad"), ("Six", "mad"), ("Ten", "wet"))
)
# The table of pairs has this many rows at most, with three digits.
MOST_ROWS, ROUNDED = 40, 0.0006


def choose(page: Page, panel: str, control: str, value: str) -> None:
    """Choose in a panel of the toolbar, which is opened for it and stays open."""
    box = page.get_by_label(control, exact=True)
    if not box.is_visible():
        page.locator(".toolbar summary", has_text=re.compile(f"^{panel}$")).click()
    box.select_option(value)


def tick(page: Page, panel: str, control: str) -> None:
    """Check a box in a panel of the toolbar, which is opened for it and stays open."""
    box = page.get_by_label(control, exact=True)
    if not box.is_visible():
        page.locator(".toolbar summary", has_text=re.compile(f"^{panel}$")).click()
    box.check()


def expect_view(page: Page, query: str, drawn: str) -> None:
    """The instrument draws the view with these parameters, and the exact weights of this head or map of heads."""
    expect(page.locator(".instrument")).to_have_attribute("data-view", query)
    expect(page.locator(".instrument")).to_have_attribute("data-drawn", f"{drawn} exact")
    expect(page.locator(".part-pairs")).to_have_attribute("data-drawn", drawn)


def shown_pairs(page: Page) -> list[tuple[int, str, int, str, float]]:
    """Return query, its text, key, its text and weight of each row of the table of the strongest pairs."""
    rows = page.locator(".pairs-scroll tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return [(int(query), asks, int(key), gives, float(weight)) for query, asks, key, gives, weight in rows]


def expect_numbers(page: Page, att: Attention, layer: int, head: int) -> None:
    """The table of the strongest pairs has the texts and the weights of this head, and no weaker pairs."""
    weights = att.weights(layer, head)
    strongest = sorted(weights[att.mask(layer, head)], reverse=True)[:MOST_ROWS]

    def is_right(row: tuple[int, str, int, str, float], expected: float) -> bool:
        query, asks, key, gives, weight = row
        texts = label(att.query_tokens[query]), label(att.key_tokens[key])
        return (asks, gives) == texts and max(abs(weight - weights[query, key]), abs(weight - expected)) < ROUNDED

    def wrong() -> list[object]:
        shown = shown_pairs(page)
        if len(shown) != len(strongest) or not all(
            query < att.n_query and key < att.n_key for query, _, key, *_ in shown
        ):
            return [len(shown), len(strongest), *shown[:3]]
        return [(row, value) for row, value in zip(shown, strongest, strict=True) if not is_right(row, value)]

    # The pairs of a long text come from the server.
    eventually(page, lambda: not wrong(), wrong)


class HeldAnswers:
    """Holds back the answers to requests whose address contains a text, until `release`; `install` on a drawn page."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._is_open = False
        self._routes: list[Route] = []

    def install(self, page: Page) -> None:
        self._page = page
        page.route("**/instrument/**", self._hold)

    def _hold(self, route: Route) -> None:
        if self._is_open or self._part not in route.request.url:
            route.continue_()
        else:
            self._routes.append(route)

    @property
    def n_held(self) -> int:
        """How many requests wait."""
        return len(self._routes)

    def release(self) -> None:
        """Let the waiting requests go, and later ones at once."""
        self._is_open = True
        for route in self._routes:
            route.continue_()
        self._routes.clear()


def choose_export(page: Page, figure: str, file_format: str) -> None:
    """Open the export popover, and choose a figure and a format."""
    if not page.get_by_text("Heatmap of the chosen head").is_visible():
        page.get_by_role("button", name="Export").click()
    page.get_by_role("radiogroup", name="Export").get_by_text(figure, exact=True).click()
    wait_until_idle(page)
    page.get_by_role("radio", name=file_format, exact=True).or_(
        page.get_by_test_id("stPopoverBody").get_by_role("button", name=file_format, exact=True)
    ).first.click()
    wait_until_idle(page)


def download(page: Page, label: str) -> tuple[str, bytes]:
    """Press a button that downloads; return the name and the bytes of the file."""
    with page.expect_download(timeout=60_000) as got:
        page.get_by_role("button", name=label, exact=True).click()
    return got.value.suggested_filename, Path(got.value.path()).read_bytes()
