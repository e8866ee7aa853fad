"""A line stands between the texts of a pair, and between a prompt and what the model wrote, in every picture."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

import viz
from models import Attention, Token
from tests.helpers.draw import packed, paper
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.read_back import unpack
from viz.labels import boundaries, role_runs


def parts(*given: tuple[int, bool]) -> tuple[Token, ...]:
    named = tokens(*(f"t{number}" for number in range(len(given))))
    return tuple(
        replace(token, segment=segment, generated=generated)
        for token, (segment, generated) in zip(named, given, strict=True)
    )


QUERIES = parts((0, False), (0, False), (0, False), (0, True), (0, True))
KEYS = parts((0, False), (0, False), (1, False), (1, False), (1, False), (0, False), (0, False))


@pytest.fixture
def att() -> Attention:
    return attention(random_weights(5, 7), QUERIES, KEYS)


def test_a_part_begins_where_segment_or_author_changes() -> None:
    assert boundaries(QUERIES) == [3]
    assert boundaries(KEYS) == [2, 5]
    assert boundaries(tokens(*"abc")) == boundaries(()) == []


def test_a_message_begins_where_the_role_changes() -> None:
    named = [
        replace(token, role=role) for token, role in zip(tokens(*"abcd"), ("", "user", "user", "tool"), strict=True)
    ]
    assert boundaries(tuple(named)) == [1, 3]
    assert role_runs(named) == [(1, 3, "user"), (3, 4, "tool")]
    assert role_runs(tokens(*"ab")) == []


def test_the_heatmap_has_a_line_on_each_boundary(att: Attention) -> None:
    shapes = viz.heatmap(att, 0, 0).layout.shapes
    assert [(shape.x0, shape.x1, shape.yref) for shape in shapes if shape.yref == "y domain"] == [
        (1.5, 1.5, "y domain"),
        (4.5, 4.5, "y domain"),
    ]
    assert [(shape.y0, shape.y1) for shape in shapes if shape.xref == "x domain"] == [(2.5, 2.5)]
    # In a window they keep their places in the whole text.
    (line,) = viz.heatmap(att, 0, 0, region="0-1:4-6").layout.shapes
    assert line.x0 == 4.5


def test_the_flow_has_them_beside_the_tokens(att: Attention) -> None:
    shapes = viz.flow(att, 0, 0).layout.shapes
    assert sorted((shape.x0 < 0, shape.y0) for shape in shapes) == [(False, 1.5), (False, 4.5), (True, 2.5)]
    assert unpack(packed("flow", att, 0, 0))[0]["cuts"] == [[3], [2, 5]]
    # Positions in the whole text, also where a part of it is shown.
    assert unpack(packed("flow", att, 0, 0, region="1-4:3-6"))[0]["cuts"] == [[3], [2, 5]]


def dotted(figure: Figure) -> list[tuple[str, float]]:
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    ends = [(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)) for line in lines]
    return sorted(("across", y[0]) if y[0] == y[1] else ("down", x[0]) for x, y in ends)


def test_paper_has_them_too(att: Attention) -> None:
    assert dotted(paper("heatmap", att, 0, 0)) == [("across", 2.5), ("down", 1.5), ("down", 4.5)]
    assert dotted(paper("flow", att, 0, 0)) == [("across", 1.5), ("across", 2.5), ("across", 4.5)]


def test_on_paper_a_boundary_inside_a_block_stands_where_it_is() -> None:
    n = 260
    att = attention(random_weights(n, n), parts(*[(int(number >= 100), False) for number in range(n)]))
    # Blocks of 3: the 100th token begins a third of the way into cell 33.
    assert dotted(paper("heatmap", att, 0, 0)) == [
        ("across", pytest.approx(100 / 3 - 0.5)),
        ("down", pytest.approx(100 / 3 - 0.5)),
    ]
