"""Any text comes out right in every format: other scripts, emoji, markup, TeX, controls, noncharacters."""

import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

import models
import viz
from tests.helpers.draw import TEXT_FIGURES
from tests.helpers.hand_made import HOSTILE, attention, random_weights, tokens
from tests.helpers.read_back import svg_texts
from viz.files.export import glyph_notice
from viz.formats import PICTURES, TABLES
from viz.labels import label
from viz.paper.fonts import FIRST_FONT, find_fonts

# Boxes are drawn for what no font has, and the notice says so; matplotlib warns as well.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Glyph .* missing from font")]
UNWRITABLE = ("\uffff", "\ufffe", "\ufdd0", "\U0001ffff", "a\0b", "\x1b[31m", "\x85", "\ud800", "a\nb", "\r")
TEXTS = (
    "The cat 猫 sat 😀 on 👩‍👩‍👧 the mat.",
    "قطة تجلس على الحصيرة and חתול יושב",
    "<b>x</b> <script>alert(1)</script> </script> <!-- ]]> &amp; &lt;",
    r"$x$ $\frac{a}{b} \begin{x} _a_ **b** `c` [d](http://e.org) %{x} %s {0}",
    "a\x00b \x1b[31mred\x07 tab\tnew\nline \u200bzero\u200dwidth \u202eright-to-left",
    "\uffff \ufffe \ufdd0 \ufeff \U0001ffff \ud800 odd",
    "=1+1 +2 -3 @sum 'x \"y",
)


@pytest.fixture(scope="module")
def hostile() -> models.Attention:
    n = len(HOSTILE)
    return attention(random_weights(2, 3, n, n), tokens(*HOSTILE), text=" ".join(HOSTILE))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_the_real_model_on_hostile_texts_in_every_format(minilm: models.Model, text: str) -> None:
    att = minilm.trace(text)["encoder"]
    for figure, formats in (("heatmap", PICTURES), ("flow", ("html", "pdf")), ("table", TABLES)):
        for file_format in formats:
            assert viz.export(att, figure, file_format, layer=0, head=2).data
    made = viz.export(att, "heatmap", "svg", layer=0, head=2)
    texts = svg_texts(made.data)
    assert all(texts.count(label(token)) >= 2 for token in att.key_tokens)
    # The origin keeps the text as it was typed, lone surrogates included.
    assert json.loads(json.dumps(made.origin))["source"]["text"] == text


@pytest.mark.parametrize("figure", ["heatmap", "flow"])
def test_svg_shows_every_token_as_it_is_written(hostile: models.Attention, figure: str) -> None:
    texts = svg_texts(viz.export(hostile, figure, "svg", layer=1, head=2).data)
    for text in HOSTILE:
        assert texts.count(text) == 2, text


@pytest.mark.parametrize("figure", ["heatmap", "flow"])
def test_pdf_text_is_what_was_written(hostile: models.Attention, figure: str) -> None:
    found = PdfReader(io.BytesIO(viz.export(hostile, figure, "pdf", layer=1, head=2).data)).pages[0].extract_text()
    # Two neighbours of these are drawn with kerning, which pypdf reads as another order.
    for text in (*HOSTILE[:3], "]]>", "$x$", r"$\frac", "_a_", "**b**", "&amp;", "%{x}", "猫坐在", "😀", "قطة", "חתול"):
        assert found.count(text) >= 2, text


@pytest.mark.parametrize("figure", TEXT_FIGURES)
@pytest.mark.parametrize("file_format", PICTURES)
@pytest.mark.parametrize("special", [False, True])
def test_what_no_format_can_hold_is_named_instead(figure: str, file_format: str, special: bool) -> None:
    n = len(UNWRITABLE)
    shown = tokens(*UNWRITABLE, special=range(n) if special else ())
    made = viz.export(attention(np.eye(n), shown), figure, file_format, layer=0, head=0)
    assert made.data
    if file_format == "svg":
        ElementTree.fromstring(made.data)
        if figure != "grid":
            assert svg_texts(made.data).count("⟨U+FFFF⟩") == 2
            assert svg_texts(made.data).count("a⟨U+0000⟩b") == 2


def test_labels_name_what_cannot_be_written() -> None:
    assert [label(token) for token in tokens("a\ufffe\x07", "\ud83db")] == ["a⟨U+FFFE⟩⟨U+0007⟩", "⟨U+D83D⟩b"]
    # What only looks odd stays: joiners make emoji and Persian, and U+FFFD is a character.
    for text in ("👩‍👩‍👧", "می‌خواهم", "\ufffd", "é", "½"):
        assert label(tokens(text)[0]) == text


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=3))
def test_any_tokens_make_an_svg_that_parses(texts: list[str]) -> None:
    made = viz.export(attention(np.eye(len(texts)), tokens(*texts)), "flow", "svg", layer=0, head=0)
    shown = svg_texts(made.data)
    for token in tokens(*texts):
        # An empty label or one of spaces leaves no text to find.
        assert not label(token).strip() or label(token) in shown


@pytest.mark.parametrize("character", ["\U00013000", "\ue123", "\u0378"])
def test_a_character_that_no_font_has_is_named(character: str) -> None:
    # A hieroglyph, a private one, and one that Unicode has not assigned: no font of a usual machine draws them.
    att = attention(np.eye(2), tokens(f"a{character}", "b"))
    for file_format in ("png", "svg", "pdf"):
        made = viz.export(att, "heatmap", file_format, layer=0, head=0)
        assert made.missing_glyphs == (character,)
        assert made.notice == glyph_notice(att)
    assert f"(U+{ord(character):04X})" in made.notice
    assert "fonts-noto" in made.notice
    # The grid shows no tokens, and HTML is drawn with the reader's fonts.
    assert viz.export(att, "grid", "png").notice is None
    assert viz.export(att, "heatmap", "html", layer=0, head=0).notice is None


@pytest.mark.parametrize("emoji", ["👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "🏴\U000e0067\U000e0062\U000e007f", "❤️‍🔥"])
def test_emoji_that_no_font_joins_are_named(emoji: str) -> None:
    # The fonts of a usual machine have the pieces; those that join them are in colour, which matplotlib cannot draw.
    missing = find_fonts(["a", f"b{emoji}c"])[1]
    if set(missing) & set(emoji):
        assert emoji not in missing  # its pieces are named
    else:
        assert missing == [emoji]
        notice = glyph_notice(attention(np.eye(2), tokens(emoji, "b")))
        codes = " ".join(f"U+{ord(character):04X}" for character in emoji)
        assert notice.startswith(f"No installed font joins {emoji} ({codes}) into one picture, so it shows as several")


def test_what_is_one_picture_or_none_is_not_named() -> None:
    # A heart with its selector, a keycap's digit, Persian with its joiner, half of a flag, accents.
    assert find_fonts(["😀", "❤️", "می‌خواهم", "e\u0301", "🇩", "a-b", "0️"])[1] == []


def test_boxes_and_pieces_have_a_sentence_each() -> None:
    notice = glyph_notice(attention(np.eye(2), tokens("\U00013000", "👍🏽")))
    assert notice.startswith("No installed font can draw \U00013000 (U+13000), so they show as boxes")
    assert "No installed font joins 👍🏽 (U+1F44D U+1F3FD) into one picture" in notice


def test_pdf_text_has_each_emoji_once() -> None:
    texts = ("👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "👍🏽👍🏽", "❤️")
    made = viz.export(attention(np.eye(5), tokens(*texts)), "flow", "pdf", layer=0, head=0)
    lines = [line.strip() for line in PdfReader(io.BytesIO(made.data)).pages[0].extract_text().splitlines()]
    for text in texts:
        assert lines.count(text) == 2, text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("·ל", "\u200f·ל"), ("ל·", "ל·\u200f"), ("·طة", "\u200f·طة"), ("·ing", "·ing"), ("חתול", "חתול"), ("·1", "·1")],
)
def test_the_joiner_of_a_piece_stands_on_the_side_where_its_word_goes_on(text: str, shown: str) -> None:
    assert label(tokens(text)[0]) == shown
    made = {
        name: viz.export(attention(np.eye(2), tokens(text, "b")), "flow", name, layer=0, head=0) for name in PICTURES
    }
    assert svg_texts(made["svg"].data).count(shown) == 2
    # A search in the PDF finds the token without the mark.
    assert "\u200f" not in PdfReader(io.BytesIO(made["pdf"].data)).pages[0].extract_text()


def test_a_long_list_of_missing_characters_is_cut() -> None:
    texts = [chr(0x13000 + number) for number in range(17)]
    notice = glyph_notice(attention(np.eye(17), tokens(*texts)))
    assert notice.count("(U+") == 12
    assert "and 5 more" in notice


def test_what_is_installed_is_not_missing() -> None:
    att = attention(np.eye(3), tokens("猫坐在", "قطة", "😀"))
    assert glyph_notice(att) is None


def test_fonts_are_chosen_by_what_they_can_draw() -> None:
    assert find_fonts(["plain text"]) == ([FIRST_FONT], [])
    assert find_fonts(()) == ([FIRST_FONT], [])
    families, missing = find_fonts(["猫"])
    assert any("CJK" in family for family in families)
    assert missing == []
    # Controls, spaces, joiners and variation selectors have no glyph of their own to miss.
    assert find_fonts(["\u200d\ufe0f\ufe0e \u3000\n\x07\u200c"]) == ([FIRST_FONT], [])
    # A font of boxes covers every character and can draw none.
    assert not any("last" in family.lower() for family in find_fonts(["\U00013000"])[0])
