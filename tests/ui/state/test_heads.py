"""What a link to the page "Heads" restores."""

import pytest

from ui.state import link
from ui.state.heads import HeadsChoice, parse


def test_a_link_restores_every_choice():
    choice = link.standard(
        HeadsChoice,
        measure="first",
        spread=True,
        x="previous_repeated",
        y="sink",
        colour="pattern",
        find="previous > 0.8 and entropy < 1",
        head="18.6",
        opens=False,
        repeated=True,
    )
    written = link.format(choice)
    assert set(written) == set(link.names(HeadsChoice))
    assert parse(written) == (choice, [])
    assert choice.selected == (18, 6)


def test_what_is_not_chosen_is_in_no_link():
    assert link.format(link.standard(HeadsChoice)) == {}
    assert link.standard(HeadsChoice).selected is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("measure", "pattern", "'pattern' is none of entropy_bits"),
        ("x", "layer", "'layer' is none of entropy_bits"),
        ("colour", "<b>", "'<b>' is none of layer, pattern"),
        ("head", "3", "'3' names no head such as 3.1, layer and head"),
        ("head", "٣.١", "names no head"),
        ("opens", "yes", "'yes' is none of on, off"),
        ("find", "a" * 301, "it has 301 characters, too many for a link: the limit is 300"),
    ],
)
def test_what_is_wrong_in_a_link_is_one_sentence(name, value, reason):
    choice, notices = parse({name: value})
    assert choice == link.standard(HeadsChoice)
    assert len(notices) == 1
    assert notices[0].startswith(f"The link's {name} is ignored: ")
    assert reason in notices[0]
