"""The main job, as a visitor does it: paste a sentence, see every head, choose one, follow its lines."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.visitor import (
    PHONE,
    cell_position,
    flow,
    grid,
    head_position,
    inspect_text,
    token_position,
    url_with,
    wait_until_drawn,
    wait_until_idle,
)

pytestmark = pytest.mark.e2e


def tokens_of_heatmap(page: Page) -> list[str]:
    return page.locator(".js-plotly-plot").evaluate("(plot) => plot._fullLayout.yaxis.ticktext.map(String)")


def test_opens_already_inspected(open_page):
    page = open_page()
    expect(page.get_by_role("textbox", name="Text to inspect")).to_have_value(
        "The cat sat on the mat because it was tired."
    )
    card = page.get_by_text("6 layers × 12 heads")
    expect(card).to_contain_text("all-MiniLM-L6-v2")
    expect(card).to_contain_text("22.7 M parameters")
    expect(card).to_contain_text("sha256:53aa51172d14")
    expect(card).to_contain_text("cpu")
    assert "because" in tokens_of_heatmap(page)
    expect(grid(page)).to_have_attribute("data-selected", "5,11")
    # Must not happen: a message about an error or a traceback.
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_a_sentence_of_ones_own(open_page):
    page = open_page()
    inspect_text(page, "Ada wrote the first program.")
    expect(flow(page)).not_to_have_attribute("data-lines", "0")
    assert tokens_of_heatmap(page)[1:4] == ["ada", "wrote", "the"]
    expect(page).to_have_url(url_with("Ada+wrote"))


def test_every_example_opens(open_page):
    page = open_page()
    for name, word in (("Two banks", "river"), ("Agreement", "cabinet"), ("Coreference", "mat")):
        page.get_by_role("button", name=name).click()
        wait_until_idle(page)
        assert word in tokens_of_heatmap(page), name


def test_a_click_and_the_arrow_keys_select_a_head(open_page):
    page = open_page()
    canvas = page.locator(".grid-canvas")
    # Layer 0, head 2 is the head of MiniLM that looks at the previous token.
    canvas.hover(position=head_position(page, 0, 2))
    expect(page.locator(".grid-name")).to_have_text("Layer 0, head 2")
    canvas.click(position=head_position(page, 0, 2))
    expect(page.get_by_role("heading", name="Token to token: layer 0, head 2")).to_be_visible()
    expect(page.locator(".figures").get_by_text("Previous token")).to_be_visible()
    wait_until_idle(page)
    assert page.locator(".figures div").filter(has_text="Previous token").inner_text().split()[-1] == "100.0%"
    expect(page).to_have_url(url_with("layer=0"))
    expect(page).to_have_url(url_with("head=2"))
    canvas.press("ArrowRight")
    expect(page.get_by_role("heading", name="Token to token: layer 0, head 3")).to_be_visible()
    canvas.press("ArrowDown")
    expect(page.get_by_role("heading", name="Token to token: layer 1, head 3")).to_be_visible()
    # The ordinary controls follow.
    expect(page.get_by_role("combobox", name="Layer")).to_have_value("1")


def test_ordinary_controls_select_the_same_head(open_page):
    page = open_page()
    page.get_by_role("combobox", name="Layer").click()
    page.get_by_role("option", name="3", exact=True).click()
    wait_until_idle(page)
    page.get_by_role("combobox", name="Head").click()
    page.get_by_role("option", name="1", exact=True).click()
    expect(grid(page)).to_have_attribute("data-selected", "3,1")
    expect(page.get_by_role("heading", name="Figures of layer 3, head 1")).to_be_visible()


def test_heatmap_hover_names_both_tokens_and_the_weight(open_page):
    page = open_page()
    # "it" (8) attends to "cat" (2) with 0.71181 in the golden figures.
    page.mouse.move(*cell_position(page, query=8, key=2))
    hover = page.locator(".hoverlayer .hovertext")
    expect(hover).to_contain_text("it (8) attends to cat (2)")
    expect(hover).to_contain_text("weight 0.7118")


def test_hovering_a_token_isolates_its_lines_without_the_server(open_page):
    page = open_page()
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.reload()
    wait_until_drawn(page)
    before = len(sent)
    page.mouse.move(*token_position(page, "query", 8))
    expect(flow(page)).to_have_attribute("data-focus", "query:8")
    status = page.locator(".flow-status")
    expect(status).to_contain_text("it (8) attends to cat 0.712")
    page.mouse.move(*token_position(page, "key", 2))
    expect(flow(page)).to_have_attribute("data-focus", "key:2")
    expect(status).to_contain_text("cat (2) is attended to by cat 0.918")
    assert before > 0
    assert len(sent) == before, "hovering must not talk to the server"
    # A click locks: the lines stay when the pointer leaves.
    page.mouse.click(*token_position(page, "query", 8))
    page.mouse.move(5, 5)
    expect(flow(page)).to_have_attribute("data-locked", "yes")
    expect(flow(page)).to_have_attribute("data-focus", "query:8")
    assert len(sent) > before, "only the click tells the server, for the link and the exports"
    wait_until_idle(page)
    expect(page).to_have_url(url_with("token=query%3A8"))
    page.locator(".grid-canvas").press("ArrowLeft")
    wait_until_idle(page)
    # The same token in the next head.
    expect(flow(page)).to_have_attribute("data-focus", "query:8")
    expect(page.get_by_role("heading", name="Token to token: layer 5, head 10")).to_be_visible()
    page.locator(".flow-scroll").press("Escape")
    expect(flow(page)).to_have_attribute("data-focus", "")
    page.locator(".flow-scroll").press("ArrowDown")
    expect(flow(page)).to_have_attribute("data-focus", "query:0")
    wait_until_idle(page)
    expect(page).not_to_have_url(url_with("token="))


def test_the_threshold_says_what_it_hides(open_page):
    page = open_page("/?threshold=0.5")
    expect(page.locator(".flow-status")).to_contain_text("Lines from 0.50 up hold")
    few = int(flow(page).get_attribute("data-lines"))
    page = open_page("/?threshold=0")
    assert int(flow(page).get_attribute("data-lines")) == 13 * 13
    expect(page.locator(".flow-status")).to_contain_text("hold 100% of the attention")
    assert 0 < few < 20


def test_the_link_restores_the_view(open_page):
    page = open_page("/?text=Birds+sing+at+dawn&layer=2&head=7&threshold=0.2&palette=viridis&contrast=root")
    assert tokens_of_heatmap(page) == [
        '<span style="color:#808895">[CLS]</span>',
        "birds",
        "sing",
        "at",
        "dawn",
        '<span style="color:#808895">[SEP]</span>',
    ]
    expect(grid(page)).to_have_attribute("data-selected", "2,7")
    expect(page.locator(".flow-status")).to_contain_text("Lines from 0.20 up")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    inspect_text(page, "Birds sing at night")
    expect(page).to_have_url(url_with("night"))
    again = open_page(page.url[page.url.index("/?") :])
    assert "night" in tokens_of_heatmap(again)
    expect(grid(again)).to_have_attribute("data-selected", "2,7")


def test_bad_parameters_are_ignored_with_a_notice(open_page):
    page = open_page("/?layer=-3&head=99&palette=%3Cscript%3E&threshold=nan&other=1")
    alerts = page.get_by_test_id("stAlert")
    expect(alerts.filter(has_text="The link's layer is ignored")).to_be_visible()
    expect(alerts.filter(has_text="The link's palette is ignored")).to_be_visible()
    expect(alerts.filter(has_text="The link's threshold is ignored")).to_be_visible()
    expect(alerts.filter(has_text="There is no layer 5, head 99")).to_be_visible()
    expect(grid(page)).to_have_attribute("data-selected", "5,11")


def test_text_outside_the_vocabulary_is_said(open_page):
    page = open_page()
    inspect_text(page, "今天天气很好 and the cat sat")
    expect(page.get_by_test_id("stAlert")).to_contain_text("tokens are [UNK]")


def test_long_text_is_cut_with_a_sentence(open_page):
    page = open_page()
    inspect_text(page, "the cat sat on the mat and " * 100)
    expect(page.get_by_test_id("stAlert")).to_contain_text("The first 512 of 702 tokens are shown")
    expect(page.get_by_text("too long for a link")).to_be_visible()


def test_what_cannot_be_inspected_is_one_sentence_and_the_page_goes_on(open_page):
    page = open_page()
    inspect_text(page, "   ")
    expect(page.get_by_test_id("stAlert")).to_contain_text("There is nothing to inspect")
    expect(page.get_by_test_id("stException")).to_have_count(0)
    inspect_text(page, "Birds sing")
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    assert "birds" in tokens_of_heatmap(page)


def test_an_unknown_model_is_one_sentence_and_the_last_one_stays(open_page):
    page = open_page()
    page.get_by_role("button", name="Model").click()
    box = page.get_by_role("textbox", name="Model: bundled name, hub id, or folder")
    box.fill("no/such-model![x](http://127.0.0.1:9/a.png)")
    box.press("Enter")
    wait_until_idle(page)
    # Beside the name, where the open popover hides nothing of it.
    expect(page.get_by_test_id("stPopoverBody").get_by_test_id("stAlert")).to_contain_text("No model is called")
    expect(box).to_have_value("no/such-model![x](http://127.0.0.1:9/a.png)")
    expect(page.get_by_text("6 layers × 12 heads")).to_be_visible()
    expect(page.locator("img[src*='127.0.0.1:9']")).to_have_count(0)


def test_an_encoder_decoder_shows_three_kinds(open_page, tiny_bart):
    page = open_page(f"/?model={tiny_bart}&text=she+likes+coffee&target=the+cat+sat&kind=cross&layer=2&head=1")
    assert len(tokens_of_heatmap(page)) == 5
    box = page.locator(".flow-scroll")
    expect(box).to_have_attribute("aria-label", re.compile("cross attention"))
    expect(page.locator(".figures div").filter(has_text="Previous token")).to_contain_text("–")
    card = page.get_by_text("encoder 2 layers × 5 heads, decoder 3 layers × 3 heads, cross 3 layers × 3 heads")
    expect(card).to_contain_text(re.compile(r"\d\d,\d{3} parameters"))


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_everything_without_sideways_scrolling(open_page, dark):
    page = open_page("/", viewport=PHONE, dark=dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for part in (".grid-canvas", ".js-plotly-plot", ".flow-canvas"):
        box = page.locator(part).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"], part


def test_the_pictures_follow_the_theme_while_the_page_is_open(open_page):
    page = open_page()
    darkest = "(plot) => plot.data[0].colorscale.at(-1)[1]"
    light = page.locator(".js-plotly-plot").evaluate(darkest)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"(light) => ({darkest})(document.querySelector('.js-plotly-plot')) !== light", arg=light)
    wait_until_idle(page)
    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"(light) => ({darkest})(document.querySelector('.js-plotly-plot')) === light", arg=light)
