"""Copies, guidance and help in the toolbar of the instrument."""

import contextlib
import io

import pytest
from playwright.sync_api import expect

from tests.helpers.visitor import (
    expect_head,
    expect_locked,
    head_position,
    heads_keys,
    strip_token,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def test_what_attention_does_not_tell_is_one_click_away_and_a_view_is_copied(visit, open_page):
    page, traffic = visit("/?layer=3&head=1&token=query:8&partner=key:2&palette=viridis")
    page.get_by_role("button", name="What attention does not tell you").click()
    dialog = page.get_by_role("dialog", name="What attention does not tell you")
    expect(dialog).to_contain_text("A large weight says which token a head reads")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    wait_until_idle(page)
    # Must not happen: Escape releases the tokens too.
    expect_locked(page, 8, 2)
    assert traffic.silent, traffic

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    heads_keys(page).press("ArrowRight")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    python = page.get_by_role("button", name="Copy as Python")
    python.click()
    expect(python).to_have_count(0)  # it says "Copied" for a moment
    lines = page.evaluate("navigator.clipboard.readText()")
    assert lines != link
    # Must not happen: a message or a request for a copy.
    assert traffic.requests == []
    assert len(traffic.sent) <= 1
    again = open_page(link[link.index("/?") :])
    expect_head(again, 3, 2)
    expect_locked(again, 8, 2)
    made: dict = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(lines, made)
    assert "Layer 3, head 2" in made["heatmap"].layout.title.text
    assert made["options"].palette == "viridis"
    assert made["heads"].iloc[0]["weight"] == pytest.approx(0.7118, abs=1e-3)


def test_the_guidance_goes_when_it_was_followed(visit):
    page, traffic = visit(cold=True)
    guidance = page.get_by_text("Click a head. Hover over a word.")
    expect(guidance).to_be_visible()
    strip_token(page, 4).hover()
    expect(guidance).to_be_visible()
    heads_keys(page).click(position=head_position(page, 2, 2))
    expect(guidance).to_be_hidden()
    page.reload()
    wait_until_idle(page)
    # Must not happen: it comes back at the next visit.
    expect(guidance).to_be_hidden()
    assert traffic.requests == []
