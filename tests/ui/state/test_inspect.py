"""The choices of Inspect: what its links say, and the sentences for what cannot be read."""

from dataclasses import replace

import pytest

from models.scratch.tasks import TASKS
from ui.state import link
from ui.state.inspect import DEFAULT_TEXT, SERVERS, Choice

# Every value differs from its default.
CHOICE = Choice(
    text="Birds sing & dance = 100% #1?",
    pair="second",
    trace="17",
    target="ziel",
    lines=True,
    sentence=3,
    generate=17,
    messages='[["system","a & b"],["user",""]]',
    kind="cross",
    show="rollout",
    goal="class:1",
    ablate="2.5:zero",
    mask="4,7",
    before="difference",
    layer=3,
    head=7,
    threshold=0.25,
    palette="cividis",
    scale="root",
    token="key:3",
    partner="query:7",
    region="0-63:128-191",
    truth=False,
    unit="words",
    heads="2,3.7",
    combine="mean",
    special="dim",
    sink="hide",
    renormalise=True,
    src_lang="en_XX",
    tgt_lang="de_DE",
    add_special_tokens=False,
    model="some/model",
    revision="v1.2",
)


def test_a_link_restores_every_choice():
    assert link.parse(Choice, link.format(CHOICE)) == (CHOICE, [])
    assert set(link.format(CHOICE)) == set(link.names(Choice))


def test_the_default_link_is_short_but_says_what_it_shows():
    assert link.format(link.standard(Choice)) == {"layer": "5", "head": "11"}


def test_a_servers_own_trace_opens_unless_a_link_names_something_else(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_TRACE", "/somewhere/head.npz")
    assert link.parse(Choice, {"layer": "3"})[0].trace == SERVERS
    assert link.parse(Choice, {"text": "Birds sing"})[0].trace == link.parse(Choice, {"model": "x"})[0].trace == ""
    # Also for who closes the trace or opens another, and goes on to the first text of the model.
    for text in (DEFAULT_TEXT, "Birds sing"):
        for trace in ("", SERVERS, "1"):
            choice = replace(link.standard(Choice), text=text, trace=trace)
            assert link.parse(Choice, link.format(choice)) == (choice, [])


def test_a_model_of_a_task_opens_with_a_text_of_the_task():
    assert link.standard(Choice).text == DEFAULT_TEXT
    assert link.standard(Choice, model="scratch:brackets").text == TASKS["brackets"].examples[0]
    assert link.parse(Choice, {"model": "scratch:brackets"})[0].text == TASKS["brackets"].examples[0]
    brackets = link.standard(Choice, model="scratch:brackets")
    assert link.format(brackets) == {"model": "scratch:brackets", "layer": "5", "head": "11"}


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
        ("threshold", "x", "is no weight from 0 to 1"),
        ("palette", "<script>", "is none of automatic, blues"),
        ("scale", "", "is none of linear, root"),
        ("unit", "letters", "is none of pieces, words"),
        ("heads", "1e9", "names no heads such as 2 (a layer)"),
        ("heads", "2.", "names no heads such as 2 (a layer)"),
        ("combine", "\0", "is none of overlay, mean, maximum"),
        ("special", "<script>", "is none of show, dim, hide"),
        ("sink", "../../etc/passwd", "is none of show, dim, hide"),
        ("renormalise", "[]", "is none of True, False"),
        ("scale", "constructor", "is none of linear, root, log"),
        ("kind", "self", "is none of encoder, decoder, cross"),
        ("messages", "[", "is no conversation such as"),
        ("messages", '[["user"]]', "is no conversation such as"),
        ("messages", "[" * 5000, "characters, too many for a link"),
        ("generate", "65", "is no number of tokens from 0 to 64"),
        ("generate", "1.5", "is no number of tokens from 0 to 64"),
        ("token", "query:x", "is no token such as query:8 or key:2"),
        ("partner", "query:x", "is no token such as query:8 or key:2"),
        ("partner", "key:2", "'key:2' makes no pair with the token ''"),
        ("ablate", "2.5", "'2.5' is no change of a head such as 2.5:zero"),
        ("ablate", "2.5:off", "is no change of a head such as 2.5:zero"),
        ("ablate", "self.2.5:zero", "is no change of a head such as 2.5:zero"),
        ("ablate", "2.٣:zero", "is no change of a head such as 2.5:zero"),
        ("ablate", "2.5:zero,", "'' is no change of a head such as 2.5:zero"),
        ("ablate", "2.5:zero,2.5:mean", "it changes the head 2.5 in two ways"),
        ("ablate", "0.0:zero," * 500, "characters, too many for a link"),
        ("mask", "4-7", "'4-7' is no position such as 4"),
        ("mask", "-1", "is no position such as 4"),
        ("mask", "9" * 30, "is no position such as 4"),
        ("before", "<script>", "is none of on, difference"),
        ("sentence", "1000", "is no number from 0 to 999"),
        ("lines", "True", "is none of on, off"),
        ("region", "3-2:0-1", "is no region such as 0-63:128-191"),
        ("region", "all", "is no region such as 0-63:128-191"),
        ("revision", "../..", "is no branch, tag or commit"),
        ("model", "m" * 301, "it has 301 characters, too many for a link"),
        ("trace", "../../etc/passwd", "is no number of an opened trace from 1"),
        ("text", "t" * 2001, "it has 2,001 characters, too many for a link"),
    ],
)
def test_a_bad_parameter_is_named_and_ignored(name, value, why):
    choice, notices = link.parse(Choice, {name: value})
    assert choice == link.standard(Choice)
    assert len(notices) == 1
    assert notices[0].startswith(f"The link's {name} is ignored: ")
    assert why in notices[0]


def test_changes_have_one_order():
    changed = link.parse(Choice, {"ablate": "cross.0.1:first,3.10:mean,3.9:zero,3.9:zero", "mask": "07,4,12,4"})[0]
    assert changed.ablate == "3.9:zero,3.10:mean,cross.0.1:first"
    assert changed.mask == "4,7,12"


def test_a_pair_has_a_token_on_each_side():
    pair = {"token": "query:8", "partner": "key:2"}
    assert link.parse(Choice, pair) == (link.standard(Choice, **pair), [])
    choice, notices = link.parse(Choice, {"token": "key:8", "partner": "key:2"})
    assert (choice.token, choice.partner) == ("key:8", "")
    assert notices == ["The link's partner is ignored: 'key:2' makes no pair with the token 'key:8'."]
    assert replace(link.standard(Choice, **pair), token="").partner == ""


def test_the_url_has_two_writers():
    owners = {owner: link.names_of(Choice, owner) for owner in (link.SERVER, link.BROWSER)}
    selection = ("layer", "head", "threshold", "palette", "scale", "token", "partner", "region", "truth")
    selection += ("unit", "heads", "combine", "special", "sink", "renormalise")
    assert owners[link.BROWSER] == selection
    assert link.format(CHOICE) == {**link.format(CHOICE, link.SERVER), **link.format(CHOICE, link.BROWSER)}
    assert set(link.format(CHOICE, link.SERVER)) == set(owners[link.SERVER])


def test_a_text_too_long_for_a_link_is_left_out_and_told():
    long = replace(CHOICE, text="t" * 2001)
    assert not link.fits_link(long)
    assert link.fits_link(CHOICE)
    assert "text" not in link.format(long)
    assert link.format(long)["layer"] == "3"
