"""The roles of a conversation on paper: bands in their colours, and a legend that takes no room without roles."""

from dataclasses import replace

from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tests.helpers.draw import paper
from tests.helpers.hand_made import attention, random_weights, tokens
from viz import colours
from viz.paper.roles import RoleLegend

ROLES = ("", "system", "system", "user", "tool")


def drawn_colours(figure: Figure) -> list[str]:
    lines = [*figure.artists, *figure.lines, *(line for axes in figure.axes for line in axes.lines)]
    known = {colours.role_colour(role) for role in ROLES if role}
    return [
        to_hex(line.get_color()) for line in lines if isinstance(line, Line2D) and to_hex(line.get_color()) in known
    ]


def conversation():
    named = tuple(replace(token, role=role) for token, role in zip(tokens(*"abcde"), ROLES, strict=True))
    return attention(random_weights(5, 5), named, named)


def test_each_side_has_a_band_for_each_run_and_the_legend_names_each_role():
    for name in ("heatmap", "flow"):
        figure = paper(name, conversation(), 0, 0)
        assert len(drawn_colours(figure)) == 3 * 3, name
        assert {"system", "user", "tool"} <= {text.get_text() for text in figure.texts}


def test_a_text_without_roles_has_neither_band_nor_legend():
    plain = attention(random_weights(5, 5))
    for name in ("heatmap", "flow"):
        assert drawn_colours(paper(name, plain, 0, 0)) == []
    assert RoleLegend(tokens(*"abc"), 3.0).height == 0


def test_the_legend_breaks_into_rows_that_fit():
    many = [replace(token, role=f"role {number}") for number, token in enumerate(tokens(*"abcdefgh"))]
    assert len(RoleLegend(many, 2.0).rows) > 2
    assert [role for row in RoleLegend(many, 2.0).rows for role in row] == [f"role {number}" for number in range(8)]
