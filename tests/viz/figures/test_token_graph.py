"""The flow figure and its data for the browser: exactly the pairs above the threshold, between the right tokens."""

import html
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import viz
from analysis import kept_mass
from tests.helpers.draw import view_of
from tests.helpers.hand_made import HOSTILE, N_KEY, N_QUERY, attention, random_weights, tokens
from viz import DrawOptions
from viz.colours import NOT_A_NUMBER, opacity
from viz.figures.token_graph import describe

WEIGHTS = random_weights(N_QUERY, N_KEY)


def lines(figure: go.Figure) -> set[tuple[int, int]]:
    """The (query, key) pairs that are drawn, read off the curves' ends."""
    pairs = set()
    for trace in figure.data:
        if trace.mode != "lines":
            continue
        ends = np.flatnonzero(np.isnan(trace.y))
        starts = [0, *(ends[:-1] + 1)]
        for start, end in zip(starts, ends, strict=True):
            assert (trace.x[start], trace.x[end - 1]) == (0, 1)
            pair = (round(trace.y[start]), round(trace.y[end - 1]))
            assert pair not in pairs
            pairs.add(pair)
    return pairs


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(st.floats(0, 1))
def test_lines_are_exactly_the_pairs_at_or_above_the_threshold(threshold: float) -> None:
    figure = viz.flow(attention(WEIGHTS), 0, 0, options=DrawOptions(threshold=threshold))
    wanted = {index for index, weight in np.ndenumerate(WEIGHTS) if weight >= threshold}
    assert lines(figure) == wanted


def test_the_title_says_how_much_attention_the_threshold_keeps() -> None:
    title = viz.flow(attention(WEIGHTS), 0, 0, options=DrawOptions(threshold=0.3)).layout.title.text
    share = WEIGHTS[WEIGHTS >= 0.3].sum() / WEIGHTS.sum()
    assert f"lines from 0.30 up hold {share:.0%} of the attention" in title
    assert 0.1 < kept_mass(WEIGHTS, 0.3) < 0.9


@pytest.mark.parametrize(
    ("given", "said"), [(0.3, "0.30"), (0.012, "0.012"), (0.05, "0.05"), (0, "0.00"), (1, "1.00"), (0.1 + 0.2, "0.30")]
)
def test_the_threshold_is_said_with_all_its_digits(given: float, said: str) -> None:
    assert described(WEIGHTS, threshold=given).startswith(f"lines from {said} up")


def described(weights: np.ndarray, **options: Any) -> str:
    chosen = DrawOptions(**options)
    return describe(view_of("flow", attention(weights), 0, 0, options=chosen), chosen)


def test_little_is_not_nothing_and_nearly_all_is_not_all() -> None:
    weights = np.array([[0.998, 0.002]])
    assert described(weights, threshold=0.01).endswith("hold more than 99% of the attention")
    assert described(weights, threshold=0).endswith("hold 100% of the attention")
    many = np.full((3, 97), 1 / 97)
    many[0, 0] = 0.013
    assert described(many, threshold=0.012) == "lines from 0.012 up hold less than 1% of the attention"
    assert described(many, threshold=1) == "lines from 1.00 up hold 0% of the attention"


def test_a_scale_that_changes_the_opacity_is_named() -> None:
    assert described(WEIGHTS, scale="root").endswith(", opacity by square root")


def test_lines_grow_wider_and_more_opaque_with_the_weight() -> None:
    figure = viz.flow(attention(WEIGHTS), 0, 0, options=DrawOptions(threshold=0.0))
    drawn = [trace.line for trace in figure.data if trace.mode == "lines"]
    widths = [line.width for line in drawn]
    alphas = [float(line.color.rstrip(")").split(",")[3]) for line in drawn]
    assert len(drawn) > 3
    assert widths == sorted(widths)
    assert alphas == sorted(alphas)
    assert opacity(0.25, "root") > opacity(0.25, "linear")


def test_queries_stand_left_and_keys_right_one_row_a_position() -> None:
    att = attention(WEIGHTS, tokens("the", "the", "cat", "sat", "."), tokens(*"abcdefg"))
    left, right = viz.flow(att, 0, 0).data[-2:]
    assert list(left.text) == ["the", "the", "cat", "sat", "."]
    assert list(right.text) == list("abcdefg")
    assert set(left.x) == {0}
    assert set(right.x) == {1}
    assert list(left.y) == list(range(N_QUERY))
    assert list(right.y) == list(range(N_KEY))


@pytest.mark.parametrize("text", HOSTILE)
def test_plotly_gets_no_markup_no_entity_and_no_tex(text: str) -> None:
    figure = viz.flow(attention(np.eye(2), tokens(text, "b")), 0, 0)
    left, right = figure.data[-2:]
    for shown in (left.text[0], right.text[0]):
        assert not set("<>$") & set(shown)
        assert html.unescape(shown) == text
    # The hover's own line breaks are the only markup.
    hover = left.hovertext[0].replace("<br>", "\n")
    assert not set("<>$") & set(hover)
    assert html.unescape(hover) == f"{text} (0) attends to\n{text} (0): 1.0000"


def test_hover_lists_the_strongest_first_and_says_when_there_is_nothing() -> None:
    weights = np.zeros((2, 11))
    weights[0, :] = np.arange(11) / 55
    left, right = viz.flow(attention(weights), 0, 0, options=DrawOptions(threshold=0.01)).data[-2:]
    head, *pairs = left.hovertext[0].split("<br>")
    assert head == "q0 (0) attends to"
    assert [pair.split(" ")[0] for pair in pairs] == ["k10", "k9", "k8", "k7", "k6", "k5", "k4", "k3"]
    assert left.hovertext[1] == "q1 (1) attends to<br>nothing shown"
    assert right.hovertext[10] == "k10 (10) is attended to by<br>q0 (0): 0.1818"


def test_what_is_no_number_is_drawn_in_its_own_colour_and_makes_the_share_unknown() -> None:
    weights = WEIGHTS.copy()
    weights[3, 6] = np.nan
    figure = viz.flow(attention(weights), 0, 0, options=DrawOptions(threshold=1.0))
    assert lines(figure) == {(3, 6)}
    assert figure.data[0].line.color == NOT_A_NUMBER
    assert "nan" not in figure.layout.title.text
    assert "some weights are not a number" in figure.layout.title.text


def test_a_head_without_any_attention_makes_a_figure() -> None:
    figure = viz.flow(attention(np.zeros((2, 3))), 0, 0)
    assert lines(figure) == set()
    assert "hold nothing" in figure.layout.title.text


def test_special_tokens_are_dimmed_and_still_escaped() -> None:
    left = viz.flow(attention(np.eye(2), tokens("<s>", "b", special=[0])), 0, 0).data[-2]
    assert list(left.text) == ['<span style="color:#808895">&lt;s&gt;</span>', "b"]
