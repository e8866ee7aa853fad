"""Texts and names that nobody types: traced, drawn and written to a table, or refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp

from models import Model, load_model
from models.errors import BrokenModel
from tests.helpers.draw import packed, view_of
from tests.helpers.small_models import CORPUS, build
from viz import heatmap
from viz.files.tables import csv_table
from viz.wire.packing import pack_chart

# WordPiece, byte level, byte fallback, unigram, and an encoder-decoder.
FAMILIES = ("bert", "gpt2", "llama", "t5", "bart")
_PLAIN = " ".join(CORPUS[:4]).split()
_SPECIALS = "[CLS] [SEP] [PAD] [MASK] [UNK] <s> </s> <pad> <unk> <mask> <0x00> <0xFF> ##x Ġ ▁ ## Ċ <|endoftext|>"
_MARKUP = (
    *("<script>alert(1)</script>", "<img/src=x/onerror=alert(1)>", "</style>", "&lt;&#0;&amp", "<!--", "]]>", "<b>"),
    *(
        "[a](javascript:alert(1))",
        "![x](y)",
        "`z`",
        "**b**",
        "|---|",
        ":red[x]",
        "# h",
        "$x$",
        r"\href{x}{y}",
        r"\(x\)",
    ),
    *(r"\end{document}", r"$$\input{/etc/passwd}$$", "{{7*7}}", "${7*7}", "%s%n", "{0.__class__}", "';DROP TABLE x;--"),
)
_FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "=cmd|' /C calc'!A0",
    "1e999",
    "٣٤",
    "½",
    "0x1F",
    "-0",
    "1_000",
    "Ⅷ",
)
_EMOJI = (
    *(
        "👩\u200d👩\u200d👧\u200d👦",
        "🏳️\u200d🌈",
        "🇩🇪",
        "👍🏽",
        "1️⃣",
        "🏴\U000e0067\U000e0062\U000e007f",
        "❤\ufe0f",
        "🙂",
    ),
)
_BIDI = ("\u202egnirts\u202c", "\u2067שלום\u2069", "\u200f", "\u061c", "سلام", "\u2066\u2067\u2068", "\u202a")
_HALVES = ("\ud83d", "\udc00", "\ud800\ud800", "\udfff\ud800", "a\udc80b")
_ODD = ("\ufeff", "\u200b", "\u2028", "\u2029", "\xad", "\u3000", "\ufffd", "\uffff", "\ufffe", "\ue000", "\U0010ffff")
_WORDS = ("猫坐在垫子上", "cœur", "ﬁ", "İ", "ß", "Ǆ", "ﷺ", "ꙮ", "क्षि", "각", "\u1100\u1161\u11a8", "𝔘𝔫𝔦", "𒐫", "꧅")


@dataclass(frozen=True)
class Given:
    """A text for a model of a family, with a second text or a target where there is one."""

    family: str
    text: str
    pair: str | None = None
    target: str | None = None
    generate: int = 0


def make_text(dice: Random) -> Given:
    family = dice.choice(FAMILIES)
    pair = piece_of_text(dice) if family == "bert" and dice.random() < 0.3 else None
    target = piece_of_text(dice) if family in ("t5", "bart") and dice.random() < 0.5 else None
    generate = dice.choice((0, 0, 0, 1, 5)) if target is None else 0
    return Given(family, piece_of_text(dice), pair, target, generate)


def piece_of_text(dice: Random) -> str:
    """Return one to twelve odd pieces, put together with or without spaces; rarely a very long one."""
    if dice.random() < 0.05:
        return _long(dice)
    pieces = [_piece(dice) for _ in range(dice.choice((0, 1, 1, 2, 3, 5, 12)))]
    return dice.choice(("", " ", " ", "\n", "\t", "\0")).join(pieces)


def _piece(dice: Random) -> str:
    makers: tuple[Callable[[], str], ...] = (
        lambda: dice.choice(_PLAIN),
        lambda: dice.choice(_PLAIN),
        lambda: chr(dice.randrange(32)) * dice.choice((1, 1, 5)),
        lambda: chr(dice.choice((0x7F, 0x80, 0x85, 0x9F, 0xA0))),
        lambda: dice.choice(
            (_SPECIALS.split(), _MARKUP, _FORMULAS, _EMOJI, _BIDI, _HALVES, _ODD, _WORDS)[dice.randrange(8)]
        ),
        lambda: (
            dice.choice("aeZ1\u0915")
            + "".join(chr(dice.randrange(0x300, 0x370)) for _ in range(dice.choice((1, 9, 99))))
        ),
        lambda: "".join(chr(dice.randrange(0x110000)) for _ in range(dice.randrange(1, 9))),
        lambda: str(dice.choice((-1, 0, 10**18, 10**400, 0.1, float("nan"), float("inf")))),
        lambda: dice.choice("a.=\u0301\u200d👩") * dice.choice((2, 20, 300)),
    )
    return dice.choice(makers)()


def _long(dice: Random) -> str:
    return dice.choice(
        (
            lambda: (
                dice.choice(("a", "aé", "\u0301", "👩\u200d", "a b ", "\n", "﷽", "<b>", "1"))
                * dice.choice((1000, 9000))
            ),
            lambda: " ".join(dice.choices(_PLAIN, k=3000)),
            lambda: "".join(chr(dice.randrange(0x3000)) for _ in range(4000)),
            lambda: "x" * 2_000_001,
        )
    )()


@cache
def folder_of(family: str) -> Path:
    """Return the folder of a small model of a family, built once for each process."""
    return build(family, Path(mkdtemp(prefix="fuzz-")) / family)


@cache
def loaded(family: str) -> Model:
    return load_model(folder_of(family))


def read_text(given: Given) -> list[str]:
    """Trace a text, draw it and write its table, as the page does."""
    model = loaded(given.family)
    options = {"text_pair": given.pair, "target": given.target, "generate": given.generate if model.card.writes else 0}
    model.estimate(given.text, **options)
    trace = model.trace(given.text, **options)
    for kind in trace.kinds:
        att = trace[kind]
        lines = packed("flow", att, 0, 0)
        json.loads(lines[4 : 4 + int.from_bytes(lines[:4], "little")])
        json.loads(pack_chart(heatmap(att, 0, 0), "alt"))
        if att.n_query * att.n_key < 4000:
            csv_table(view_of("table", att, 0, 0)).decode("utf-8")
    return [*trace.notices]


_NAMES = (
    *(
        "minilm",
        "scratch:",
        "scratch:nothing",
        "scratch:../..",
        "../../../etc",
        "/",
        "/proc/self",
        "~",
        "~root",
        "//host/x",
    ),
    *(
        "file:///etc",
        "http://169.254.169.254/",
        "a/b/c",
        "a" * 96,
        "a" * 5000,
        "gpt2\n",
        "\0",
        "C:\\x",
        "\\\\host\\x",
        ".",
    ),
    *(
        "..",
        "a..b",
        "-x",
        "a/-b",
        "org/name",
        "org/name@main",
        "datasets/x/y",
        "\ud800",
        "\x1b[31mred",
        "/dev/zero",
        "",
    ),
)


def make_name(dice: Random) -> tuple[str, str | None]:
    """Return a model's name and revision that name no model, or hardly."""
    name = dice.choice(_NAMES[1:]) if dice.random() < 0.6 else piece_of_text(dice)[:3000]
    if dice.random() < 0.2:
        name += dice.choice(("/", "/.", "/..", "\0", " ", "?x=1", "#x", "%2e%2e"))
    revision = dice.choice((None, None, "main", "../main", "-x", "a" * 500, "\0", piece_of_text(dice)[:200]))
    return name, revision


def open_name(given: tuple[str, str | None]) -> list[str]:
    """Open a model by a name of a stranger; there is none to be found."""
    name, revision = given
    try:
        load_model(name, revision=revision)
    except BrokenModel:
        raise
    return []
