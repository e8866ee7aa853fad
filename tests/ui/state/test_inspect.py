"""A link restores the view; what it cannot be is ignored with a sentence."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.state.inspect import NAMES, Choice, fits_link, from_link, to_link

CHOICE = Choice(
    text="Birds sing & dance = 100% #1?",
    pair="second",
    target="ziel",
    generate=17,
    kind="cross",
    layer=3,
    head=7,
    threshold=0.25,
    palette="cividis",
    contrast="root",
    token="key:3",
    region="0-63:128-191",
    truth=False,
    model="some/model",
    revision="v1.2",
)


def test_a_link_restores_every_choice():
    assert from_link(to_link(CHOICE)) == (CHOICE, [])
    assert set(to_link(CHOICE)) == set(NAMES)


def test_the_default_link_is_short_but_says_what_it_shows():
    assert to_link(Choice()) == {"layer": "5", "head": "11"}


@given(
    st.builds(
        Choice,
        text=st.text(max_size=300),
        layer=st.integers(0, 9999),
        head=st.integers(0, 9999),
        threshold=st.integers(0, 100).map(lambda hundredths: hundredths / 100),
        palette=st.sampled_from(["automatic", "blues", "night"]),
    )
)
def test_any_choice_survives_its_link(choice):
    assert from_link(to_link(choice))[0] == choice


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("layer", "-1", "is no number from 0"),
        ("layer", "1e3", "is no number from 0"),
        ("layer", "٣", "is no number from 0"),
        ("head", "99999", "is no number from 0"),
        ("head", "", "is no number from 0"),
        ("layer", "0000000009999999999", "is no number from 0"),
        ("head", "9" * 5000, "is no number from 0"),
        ("threshold", "nan", "is no weight from 0 to 1"),
        ("threshold", "1.5", "is no weight from 0 to 1"),
        ("threshold", "x", "ignored"),
        ("palette", "<script>", "is none of automatic, blues"),
        ("contrast", "", "is none of linear, root"),
        ("kind", "self", "is none of encoder, decoder, cross"),
        ("generate", "65", "is no number of tokens from 0 to 64"),
        ("generate", "1.5", "is no number of tokens from 0 to 64"),
        ("token", "query:x", "is no token such as query:8 or key:2"),
        ("region", "3-2:0-1", "is no region such as 0-63:128-191"),
        ("region", "all", "is no region such as 0-63:128-191"),
        ("revision", "../..", "is no branch, tag or commit"),
        ("model", "m" * 301, "it has 301 characters, too many for a link"),
        ("text", "t" * 2001, "it has 2,001 characters, too many for a link"),
    ],
)
def test_a_bad_parameter_is_named_and_ignored(name, value, why):
    choice, notices = from_link({name: value, "contrast": "root"} if name != "contrast" else {name: value})
    assert getattr(choice, name) == getattr(Choice(), name)
    assert len(notices) == 1
    assert notices[0].startswith(f"The link's {name} is ignored: ")
    assert why in notices[0]


@given(st.dictionaries(st.sampled_from([*NAMES, "embed", "x"]), st.text(max_size=60)))
def test_no_link_raises(parameters):
    choice, notices = from_link(parameters)
    assert isinstance(choice, Choice)
    assert all("\n" not in notice for notice in notices)


def test_a_text_too_long_for_a_link_is_left_out_and_told():
    long = replace(CHOICE, text="t" * 2001)
    assert not fits_link(long)
    assert fits_link(CHOICE)
    assert "text" not in to_link(long)
    assert to_link(long)["layer"] == "3"
