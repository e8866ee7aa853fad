"""Heat tables: every number, name and shape is there, what a visitor wrote is text, marks stand where they belong."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from analysis.steps import Matrices, Options, attention_steps
from models import load_model
from models.capture.head_internals import head_internals
from tests.helpers.whole_minilm import save_whole_minilm
from viz.html import head_internals as head_pictures
from viz.html import steps as pictures
from viz.html.head_internals import Pair
from viz.html.matrices import Column, Matrix, decimals_of, equation, number, symbol, table
from viz.html.steps import Chosen

TAGS = {"figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "var", "sub", "sup", "small"}
TAGS |= {"div", "span", "i", "p", "br"}
HOSTILE = "<img src=x onerror=\"pwned()\"> & 'x'"
WORDS = ("she", HOSTILE, "</table><script>pwned()</script>")


class Tags(HTMLParser):
    """The elements of a fragment, its attributes, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def clean(markup: str) -> Tags:
    """Return the parsed fragment, which has nothing in it but tables."""
    parsed = Tags(markup)
    assert parsed.open == []
    assert set(parsed.tags) <= TAGS
    assert parsed.attributes <= {"class", "style", "title", "scope", "tabindex", "role", "aria-label"}
    return parsed


def cells(markup: str) -> list[list[tuple[str, str, str]]]:
    """Return class, strength and text of the cells, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", markup.split("<tbody>")[1])
    return [re.findall(r'<td class="(.*?)" style="--p:(.*?)" title=".*?">(.*?)</td>', row) for row in rows]


def random_steps(n_heads: int = 1, **options):
    generator = np.random.default_rng(5)
    shapes = (3, 7), (7, 6), (7, 6), (7, 4), (4, 5)
    matrices = Matrices(*(generator.normal(size=shape) for shape in shapes))
    if n_heads == 1:
        matrices = replace(matrices, w_o=None)
    chosen = Options(n_heads, **options)
    return matrices, attention_steps(matrices, chosen), chosen


def test_a_matrix_shows_symbol_shape_names_and_numbers():
    drawn = Matrix("W_q", np.array([[1.5, -0.25, 0.0]]), ["row"], ["a", "b", "c"], ("d_model", "head")).html()
    parsed = clean(drawn)
    assert parsed.text == "Wq 1 × 3 dmodel × headabcrow1.50−0.250.00"
    assert cells(drawn) == [[("", "1.000", "1.50"), ("less", "0.167", "−0.25"), ("", "0.000", "0.00")]]
    assert 'title="row, b: −0.250000"' in drawn


def test_what_a_visitor_wrote_is_text():
    drawn = Matrix("S", np.eye(3), WORDS, WORDS).html()
    parsed = clean(drawn)
    assert HOSTILE[:23] in parsed.text
    assert "<script" not in drawn
    assert "<img" not in drawn
    listed = table(WORDS, [Column("weight", [0.1, 0.2, 0.7], bar=1.0)], corner="key")
    assert "<script" not in listed
    clean(listed)


@pytest.mark.parametrize("n_heads", [1, 2])
def test_no_picture_of_the_steps_lets_markup_through(n_heads):
    matrices, steps, options = random_steps(n_heads, causal=True, temperature=2.0)
    chosen = Chosen(1, 2, n_heads - 1)
    drawn = [
        *pictures.projections(matrices, steps, WORDS, chosen).values(),
        *(pictures.scores(steps, WORDS, chosen, head, options) for head in range(n_heads)),
        *(pictures.mixing(steps, WORDS, chosen, head) for head in range(n_heads)),
        pictures.product(steps, WORDS, chosen),
        pictures.spread(steps, WORDS, 0, chosen),
        pictures.legend(),
    ]
    if n_heads > 1:
        drawn.append(pictures.joining(matrices, steps, WORDS, chosen))
    for markup in drawn:
        clean(markup)
        assert "pwned()</" not in markup


def test_masked_and_broken_numbers_look_different():
    values = np.array([[0.5, -np.inf, np.nan, np.inf]])
    drawn = cells(Matrix("M", values, ["a"], list("bcde")).html())[0]
    assert [text for _, _, text in drawn] == ["0.5", "−∞", "NaN", "∞"]
    assert [sort for sort, _, _ in drawn] == ["", "hidden", "nan", ""]
    hidden = cells(Matrix("A", np.array([[1.0, 0.0]]), ["a"], list("bc"), hidden=np.array([[False, True]])).html())
    assert [sort for sort, _, _ in hidden[0]] == ["", "hidden"]


@pytest.mark.parametrize(
    ("scale", "strengths"),
    [
        ("signed", [["0.500", "1.000"], ["0.125", "0.250"]]),
        ("rows", [["0.500", "1.000"], ["0.500", "1.000"]]),
        ("weights", [["1.000", "1.000"], ["0.500", "1.000"]]),
    ],
)
def test_colours_follow_the_scale(scale, strengths):
    drawn = cells(Matrix("S", np.array([[2.0, -4.0], [0.5, 1.0]]), "ab", "cd", scale=scale).html())
    assert [[strength for _, strength, _ in row] for row in drawn] == strengths


def test_zeros_have_no_colour():
    assert cells(Matrix("S", np.zeros((1, 1)), "a", "b").html()) == [[("", "0.000", "0")]]


@pytest.mark.parametrize(
    ("row", "column", "outlined"),
    [(None, None, []), (1, None, [(1, 0), (1, 1), (1, 2)]), (None, 2, [(0, 2), (1, 2)]), (0, 1, [(0, 1)])],
)
def test_the_chosen_row_column_or_cell_is_outlined(row, column, outlined):
    drawn = cells(Matrix("S", np.ones((2, 3)), "ab", "cde", row=row, column=column).html())
    found = [(i, j) for i, line in enumerate(drawn) for j, (sort, _, _) in enumerate(line) if "chosen" in sort]
    assert found == outlined


def test_a_matrix_lies_down_whole():
    matrix = Matrix("K", np.arange(6.0).reshape(2, 3), ["a", "b"], ["0", "1", "2"], ("key", "d_k"), row=1)
    lying = matrix.transposed()
    assert (lying.symbol, lying.axes, lying.row, lying.column) == ("K^T", ("d_k", "key"), None, 1)
    assert lying.rows == ["0", "1", "2"]
    assert cells(lying.html())[2][1] == ("chosen", "1.000", "5")


def test_an_equation_keeps_its_order_and_a_sign_with_what_follows():
    one = Matrix("Q", np.ones((1, 1)), "a", "b")
    assert clean(equation(one, "×", one, "=", one)).text.count("×") == 4  # three shapes and the sign
    terms = equation(one, "×", one).split('class="term"')[1:]
    assert ["sign" in term for term in terms] == [False, True]


def test_the_columns_of_heads_are_named():
    matrices, steps, _ = random_steps(2)
    lines = pictures.projections(matrices, steps, ("a", "b", "c"), Chosen(0, 0))
    assert list(lines) == ["Q", "K", "V"]
    assert "h0 0h0 1h0 2h1 0h1 1h1 2" in clean(lines["Q"]).text
    drawn = cells(lines["Q"].rpartition("<figure")[2])
    whole = np.concatenate([steps.q[0], steps.q[1]], axis=1)
    assert [[text for _, _, text in row] for row in drawn] == [[number(value, 4) for value in row] for row in whole]


def test_the_steps_of_a_line_follow_the_switches():
    words, chosen = ("a", "b", "c"), Chosen(1, 0)
    for scaling, causal, symbols in (
        (True, False, ["Q", "KT", "S", "Z", "A"]),
        (False, False, ["Q", "KT", "S", "A"]),
        (True, True, ["Q", "KT", "S", "Z", "M", "A"]),
    ):
        _, steps, options = random_steps(scaling=scaling, causal=causal)
        captions = re.findall(r"<figcaption>(.*?) <small>", pictures.scores(steps, words, chosen, 0, options))
        assert [re.sub("<.*?>", "", caption) for caption in captions] == symbols
    _, steps, options = random_steps(temperature=0.5)
    assert "T = 0.5" in pictures.scores(steps, words, chosen, 0, options)


@pytest.mark.parametrize(
    ("value", "decimals", "written"),
    [
        (0.5, 2, "0.50"),
        (-3.0, 0, "−3"),
        (2.7e-33, 4, "2.7e−33"),
        (1.5e6, 4, "1.5e6"),
        (-4e-7, 3, "−4.0e−7"),
        (0.0, 4, "0.0000"),
        (float("nan"), 4, "NaN"),
        (float("-inf"), 1, "−∞"),
    ],
)
def test_numbers_are_written_as_a_person_reads_them(value, decimals, written):
    assert number(value, decimals) == written


@pytest.mark.parametrize(
    ("values", "decimals"), [([1, 2], 0), ([0.5, 1], 1), ([0.25, -np.inf], 2), ([0.123456], 4), ([np.nan], 0)]
)
def test_decimals_are_as_few_as_tell_all(values, decimals):
    assert decimals_of(np.array([values], dtype=np.float64)) == decimals


def test_symbols_are_escaped_too():
    assert symbol("W_q") == "<var>W</var><sub>q</sub>"
    assert symbol("K_1^T") == "<var>K</var><sub>1</sub><sup>T</sup>"
    assert symbol("<b>") == "<var>&lt;b&gt;</var>"
    assert symbol("q × k") == "<var>q</var> × <var>k</var>"


def test_bars_are_shares_of_what_fills_one():
    drawn = table(["a", "b", "c"], [Column("x", [0.5, -2.0, float("nan")], bar=2.0)], corner="row", chosen=1)
    assert re.findall(r"--p:([\d.]+)", drawn) == ["0.250", "1.000", "0.000"]
    assert drawn.count("bar less") == 1
    assert '<tr class="chosen"><th scope="row">b' in drawn


def test_a_real_heads_pictures_add_up(minilm):
    head = head_internals(minilm, "The cat sat on the mat because it was tired.", 5, 11)
    pair = Pair(8, 2)
    listed = clean(head_pictures.dimensions(head, pair)).text
    assert "dimension 16" in listed
    assert listed.endswith("score27.195")
    product = head.q[8] * head.k[2]
    rest = np.argsort(-np.abs(product))[6:]
    assert f"26 others{product[rest].sum():.3f}" in listed
    row = clean(head_pictures.row(head, pair)).text
    assert "cat (2)27.1954.8071.00000.7118" in row
    strips = cells(head_pictures.products(head, pair))
    assert [len(strip) for strip in strips] == [32, 32, 32]
    assert [("less" in sort) for sort, _, _ in strips[2]] == [value < 0 for value in product]
    mixture = clean(head_pictures.mixture(head, pair)).text
    assert "0.712 × v of cat" in mixture
    assert "8 other keys" in mixture
    assert mixture.endswith("sum: output")


def test_a_real_heads_tokens_are_text(minilm):
    head = head_internals(minilm, "A cat.", 0, 0)
    tokens = tuple(replace(token, display=HOSTILE) for token in head.key_tokens)
    spoilt = replace(head, key_tokens=tokens, query_tokens=tokens)
    for draw in (head_pictures.products, head_pictures.dimensions, head_pictures.row, head_pictures.mixture):
        markup = draw(spoilt, Pair(1, 2))
        clean(markup)
        assert "<img" not in markup


@pytest.mark.slow
def test_long_rows_list_the_strongest_keys_and_the_chosen_one(tmp_path):
    model = load_model(save_whole_minilm(tmp_path / "minilm-512"))
    head = head_internals(model, "the cat sat on the mat and " * 60, 5, 11)
    weakest = int(head.weights[3].argmin())
    keys = head_pictures.shown_keys(head, Pair(3, weakest))
    assert len(keys) == head_pictures.MAX_KEYS + 1
    assert weakest in keys
    assert int(head.weights[3].argmax()) in keys
    assert keys == sorted(keys)
