"""A visitor switches a head off, strikes a word out, and compares the answers and the maps before and after."""

import re

import pytest
from playwright.sync_api import expect

from models import load_model
from tests.helpers.accessibility import violations
from tests.helpers.visitor import DESKTOP, PHONE, url_with, wait_until_drawn, wait_until_idle

pytestmark = pytest.mark.e2e
TEXT = "the cat <b>bold</b> sat"


def test_changes_are_seen_compared_undone_and_linked(open_page, tiny_gpt):
    page = open_page(f"/?model={tiny_gpt}&text={TEXT}&layer=0&head=1")
    page.locator(".instrument").evaluate("instrument => { instrument.dataset.mine = 'kept'; }")
    answers = page.locator(".outputs")
    page.get_by_text("What if?").click()
    wait_until_idle(page)
    page.get_by_role("button", name="Switch off this head").click()
    expect(page).to_have_url(url_with("ablate=0.1%3Azero"))

    model = load_model(tiny_gpt)
    one, other = model.trace(TEXT).outputs, model.trace(TEXT, ablate={(0, 1): "zero"}).outputs
    last = len(one.tokens) - 1
    (best,) = one.top_words(last, 1)
    after = {word.token.id: word.probability for word in other.top_words(last, 100)}[best.token.id]
    assert f"{best.probability:.1%}" != f"{after:.1%}"
    expect(answers).to_contain_text(f"{best.probability:.1%} → {after:.1%}")

    wait_until_idle(page)
    # The words are chips, hostile ones too; all pieces of a word are struck.
    words = page.get_by_role("toolbar", name="Words to strike out")
    words.get_by_role("button", name="<b>bold</b>", exact=True).click()
    expect(page).to_have_url(url_with("&mask="))
    expect(page.get_by_role("button", name="“<b>bold</b>”: struck out")).to_be_visible()
    assert page.evaluate("window.pwned") is None
    heatmap = page.locator(".heatmap")
    expect(page.get_by_text("may attend to it, in any layer").first).to_be_visible()

    # Before and after, without another instrument.
    wait_until_idle(page)
    page.get_by_text("before", exact=True).click()
    expect(page).to_have_url(url_with("before=on"))
    wait_until_idle(page)
    expect(heatmap).to_be_visible()
    assert page.locator(".instrument").get_attribute("data-mine") == "kept"

    page.go_back()
    expect(page).not_to_have_url(url_with("&mask="))
    expect(answers).to_contain_text(f"{best.probability:.1%} → {after:.1%}")
    page.reload()
    wait_until_drawn(page)
    expect(answers).to_contain_text(f"{best.probability:.1%} → {after:.1%}")
    page.get_by_role("button", name="Undo all").click()
    expect(page).not_to_have_url(re.compile("ablate="))
    expect(answers).to_contain_text(f"{best.probability:.1%}")
    expect(answers).not_to_contain_text("→")


def test_the_panels_stand_side_by_side_below_what_is_changed(open_page):
    page = open_page("/?ablate=3.2:zero", viewport=DESKTOP)
    what_if, trust = (page.get_by_text(name).bounding_box() for name in ("What if?", "Can I trust this?"))
    changed = page.get_by_role("paragraph").filter(has_text="its output is 0").bounding_box()
    assert abs(what_if["y"] - trust["y"]) < 3
    assert changed["y"] + changed["height"] <= what_if["y"] + 3


def test_the_panel_can_be_read_by_all_on_a_phone_too(open_page):
    page = open_page("/?ablate=3.1:zero&mask=2", viewport=PHONE)
    page.get_by_text("What if?").click()
    wait_until_idle(page)
    page.get_by_role("button", name="Which heads matter here?").click()
    expect(page.get_by_text("Layer 5, head 11 matters most")).to_be_visible()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
