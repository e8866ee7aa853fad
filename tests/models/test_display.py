"""Pieces and texts as a person reads them: markers, bytes, and no character that is invisible or reorders others."""

from __future__ import annotations

import json

import pytest

from models.display import JOINER, PieceDisplay, visible
from tests.helpers import small_models as small

TOKENIZERS = {
    "wordpiece": small.wordpiece,
    "bytes": small.byte_level_marked,
    "unigram": small.unigram,
    "fallback": small.byte_fallback,
}


@pytest.mark.parametrize(
    ("tokenizer", "piece", "shown"),
    [
        ("wordpiece", "cat", "cat"),
        ("wordpiece", "##ing", f"{JOINER}ing"),
        ("wordpiece", "##", "##"),  # a piece by itself, not a continuation
        ("wordpiece", "#", "#"),
        ("bytes", "Ġcat", " cat"),
        ("bytes", "cat", "cat"),
        ("bytes", "Ġ", "␣"),
        ("bytes", "ĠĠ", "␣␣"),
        ("bytes", "Ċ", "⏎"),
        ("bytes", "ĉ", "⇥"),
        ("bytes", "čĊ", "␍⏎"),
        ("bytes", "ä¸Ń", "中"),
        ("bytes", "ä¸", "⟨E4 B8⟩"),  # two of the three bytes of 中
        ("bytes", "Ń", "⟨AD⟩"),
        ("bytes", "##ing", "##ing"),  # only WordPiece gives ## a meaning
        ("bytes", "Ġ▁", None),  # ▁ is not a byte sign: shown unchanged, see below
        ("unigram", "▁cat", " cat"),
        ("unigram", "▁", "␣"),
        ("unigram", "▁▁", "␣␣"),
        ("unigram", "##ing", "##ing"),
        ("unigram", "Ġcat", "Ġcat"),
        ("fallback", "<0xE4>", "⟨E4⟩"),
        ("fallback", "<0x41>", "A"),
        ("fallback", "<0x0A>", "⏎"),
        ("fallback", "<0x00>", "␀"),
    ],
)
def test_a_piece_is_shown_as_a_person_reads_it(tokenizer, piece, shown):
    assert PieceDisplay(json.loads(TOKENIZERS[tokenizer]().to_str())).show(piece) == ("Ġ " if shown is None else shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        (" ", "␣"),
        ("\u00a0\u3000", "␣␣"),
        ("\u2003", "⟨U+2003⟩"),
        ("a\nb\tc", "a⏎b⇥c"),
        ("a\x00b\x07", "a␀b␇"),
        ("\x7f", "␡"),
        ("a\x85b", "a⟨U+0085⟩b"),
        ("a\u2028b", "a⟨U+2028⟩b"),
        ("abc\u202edef", "abc⟨U+202E⟩def"),  # would reverse the rest of the label
        ("\u2066x\u2069", "⟨U+2066⟩x⟨U+2069⟩"),
        ("a\u061cb", "a⟨U+061C⟩b"),
        ("pass\u00adword", "pass⟨U+00AD⟩word"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("\u3164", "⟨U+3164⟩"),  # Hangul filler: a letter by category, blank by design
        ("\u200d", "⟨U+200D⟩"),
        ("\u200d\u200c", "⟨U+200D⟩⟨U+200C⟩"),
        ("\u0301", "⟨U+0301⟩"),  # an accent without a letter
        ("\u0646\u200c\u0647", "\u0646\u200c\u0647"),  # Persian needs its non-joiner
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("👍🏽", "👍🏽"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("e\u0301", "e\u0301"),
        ("שלום", "שלום"),
        ("<b>x</b> $y$ _z_ &amp;", "<b>x</b> $y$ _z_ &amp;"),  # not markup: the renderer escapes it
    ],
)
def test_nothing_shown_is_invisible_or_reorders(text, shown):
    assert visible(text) == shown


def test_characters_that_a_file_must_not_contain_become_visible():
    assert visible("a\ufffeb\uffffc\U0001fffe") == "a⟨U+FFFE⟩b⟨U+FFFF⟩c⟨U+1FFFE⟩"
