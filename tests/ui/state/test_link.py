"""The codec of links: what it writes, what it reads, and that no link makes it fail."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.steps_examples import EXAMPLES
from models.conversation import write_messages
from models.scratch.networks import POSITIONS
from models.scratch.tasks import TASKS
from ui.services.trainings import LONGEST_TEXT
from ui.state import link
from ui.state.inspect import AUTOMATIC, MOST_GENERATED, MOST_SENTENCES, SERVERS, Choice
from ui.state.kinds import number, on_off, one_of, string, whole_number, write_matrix
from ui.state.link import MOST_CHARACTERS_IN_LINK, param
from ui.state.steps import HEADS, MATRICES, PARTS, TEMPERATURES, StepsChoice
from ui.state.watch import NORMS, RANGES, RATES, WatchChoice
from viz.colours import PALETTES, SCALES

PAGES = (Choice, StepsChoice, WatchChoice)
WHOLE = st.integers(0, 9999)
# A character of a half alone is nothing that a URL can carry.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
REVISIONS = st.from_regex(r"[a-z0-9]{0,9}(/v[0-9.]{0,3}[0-9])?", fullmatch=True).filter(lambda text: text[:1] != "/")
KINDS = st.sampled_from(["", "encoder", "decoder", "cross"])


def six_digits(low: float, high: float) -> st.SearchStrategy[float]:
    """A link gives six significant digits of a number."""
    return st.floats(low, high).map(lambda value: float(f"{value:g}")).filter(lambda value: low <= value <= high)


@st.composite
def regions(draw) -> str:
    sides = [sorted(draw(st.tuples(WHOLE, WHOLE))) for _ in range(2)]
    return ":".join(f"{first}-{last}" for first, last in sides)


@st.composite
def pairs(draw) -> tuple[str, str]:
    """A locked token or none, with another one of the other side or none."""
    query, key = draw(WHOLE), draw(WHOLE)
    one, other = draw(st.permutations([f"query:{query}", f"key:{key}"]))
    return draw(st.sampled_from([("", ""), (one, ""), (one, other)]))


_MESSAGES = st.tuples(st.sampled_from(["system", "user", "a role"]), TEXT.map(lambda text: text[:100]))
CONVERSATIONS = st.lists(_MESSAGES, min_size=1, max_size=3).map(write_messages)


@st.composite
def inspect_choices(draw) -> Choice:
    token, partner = draw(pairs())
    return Choice(
        model=draw(st.sampled_from(["minilm", "scratch:brackets", "scratch:dates", "org/model"]) | TEXT),
        revision=draw(REVISIONS),
        text=draw(TEXT | st.sampled_from([task.examples[0] for task in TASKS.values() if task.examples])),
        pair=draw(TEXT),
        target=draw(TEXT),
        messages=draw(st.just("") | CONVERSATIONS),
        trace=draw(st.sampled_from(["", SERVERS, "1", "9999"])),
        lines=draw(st.booleans()),
        sentence=draw(st.integers(0, MOST_SENTENCES - 1)),
        generate=draw(st.integers(0, MOST_GENERATED)),
        kind=draw(KINDS),
        layer=draw(WHOLE),
        head=draw(WHOLE),
        threshold=draw(six_digits(0, 1)),
        palette=draw(st.sampled_from([AUTOMATIC, *PALETTES])),
        scale=draw(st.sampled_from(list(SCALES))),
        token=token,
        partner=partner,
        region=draw(st.just("") | regions()),
        truth=draw(st.booleans()),
    )


@st.composite
def steps_choices(draw) -> StepsChoice:
    example = draw(st.sampled_from(list(EXAMPLES)))
    n_words = len(EXAMPLES[example].words)
    # 16 numbers of any length fit a link; 25 of them may not, which is another property.
    cells = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
    matrices = {}
    for name, standard in EXAMPLES[example].matrices.items():
        rows, columns = standard.shape
        row = st.lists(cells, min_size=columns, max_size=columns)
        values = st.lists(row, min_size=rows, max_size=rows).map(lambda values: write_matrix(np.array(values)))
        matrices[name] = draw(st.just("") | values)
    word = TEXT.map(lambda text: text.replace("|", "/")[:24] or "·")
    return StepsChoice(
        part=draw(st.sampled_from(list(PARTS))),
        example=example,
        words=draw(st.just("") | st.lists(word, min_size=n_words, max_size=n_words).map("|".join)),
        **matrices,
        scaling=draw(st.booleans()),
        temperature=draw(st.sampled_from(TEMPERATURES)),
        causal=draw(st.booleans()),
        heads=draw(st.sampled_from(HEADS)),
        **{name: draw(WHOLE) for name in ("query", "key", "of_head", "layer", "head", "query_token", "key_token")},
        model=draw(TEXT),
        revision=draw(REVISIONS),
        text=draw(TEXT),
        target=draw(TEXT),
        kind=draw(KINDS),
    )


@st.composite
def watch_choices(draw) -> WatchChoice:
    task = draw(st.sampled_from(list(TASKS)))
    chosen = {
        "text": TEXT,
        **{name: st.integers(*ends) for name, ends in RANGES.items()},
        "rate": six_digits(*RATES),
        "positions": st.sampled_from(POSITIONS),
        "norm": st.sampled_from(NORMS),
    }
    given_values = {name: draw(values) for name, values in chosen.items() if draw(st.booleans())}
    return link.standard(WatchChoice, task=task, **given_values)


@pytest.mark.slow
@given(inspect_choices() | steps_choices() | watch_choices())
def test_a_link_restores_every_choice(choice):
    assert link.fits_link(choice)
    assert link.parse(type(choice), link.format(choice)) == (choice, [])


@pytest.mark.parametrize("page", PAGES)
def test_a_link_has_what_differs_from_the_defaults(page):
    standard = link.standard(page)
    assert set(link.format(standard)) == set(link.names(page, "always_in_link"))
    assert link.parse(page, {}) == (standard, [])


NAMES = sorted({name for page in PAGES for name in link.names(page)})
GARBAGE = st.text(max_size=60) | st.sampled_from(
    [
        "٣",
        "key:2",
        "query:8",
        "³",
        "+5",
        "1e3",
        "-0",
        "nan",
        "inf",
        "9" * 5000,
        "query:",
        "5-2:0-1",
        "٠-٣:٠-٣",
        "1,2;3",
        ";,",
        "||",
        "on",
    ]
)


@pytest.mark.slow
@given(st.sampled_from(PAGES), st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=20), GARBAGE))
def test_any_query_is_a_valid_choice_and_one_sentence_for_each_parameter_that_is_ignored(page, query):
    choice, notices = link.parse(page, query)
    assert link.parse(page, link.format(choice))[1] == []
    accepted = {}
    for name in query:
        if name.startswith("embed"):
            continue
        sentences = [
            notice for notice in notices if notice.startswith((f"The link's {name} ", f"The link's {name!r} "))
        ]
        if name in link.names(page):
            accepted[name] = not sentences
        assert len(sentences) <= 1
    assert len(notices) == sum(
        name not in link.names(page) or not accepted[name] for name in query if not name.startswith("embed")
    )
    standard = link.standard(page, **{name: getattr(choice, name) for name, is_read in accepted.items() if is_read})
    assert choice == standard
    assert all("\n" not in notice and notice.endswith(".") for notice in notices)


@dataclass(frozen=True, kw_only=True)
class Small:
    """A page of a few choices; the default of `last` depends on `first`."""

    first: int = param(3, whole_number(0, 99), adds_history=True)
    last: int = param(lambda earlier: earlier.first + 1, whole_number(0, 99), always_in_link=True)
    share: float = param(0.5, number(0, 1, "share"))
    name: str = param("", string(5), free=True)
    sort: str = param("", one_of("", "up", "down"))
    shown: bool = param(True, on_off("True", "False"))


def test_a_default_may_depend_on_earlier_fields():
    assert link.standard(Small, first=7).last == 8
    assert link.format(link.standard(Small, first=7)) == {"first": "7", "last": "8"}
    assert link.parse(Small, {"first": "7"})[0].last == 8
    assert link.parse(Small, {"first": "x"}, first=20)[0].last == 21


def test_fields_are_found_by_what_they_are_marked_as():
    assert link.names(Small, "free") == ("name",)
    assert link.names(Small, "adds_history") == ("first",)
    assert link.names(Small, "always_in_link") == ("last",)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("first", "100", "The link's first is ignored: '100' is no number from 0 to 99."),
        ("first", "1_0", "The link's first is ignored: '1_0' is no number from 0 to 99."),
        ("share", "1.5", "The link's share is ignored: '1.5' is no share from 0 to 1."),
        ("share", "x", "The link's share is ignored: 'x' is no share from 0 to 1."),
        ("name", "abcdef", "The link's name is ignored: it has 6 characters, too many for a link: the limit is 5."),
        ("sort", "left", "The link's sort is ignored: 'left' is none of up, down."),
        ("shown", "on", "The link's shown is ignored: 'on' is none of True, False."),
        ("name ", "x", "The link's 'name ' is ignored: there is no such parameter."),
        ("shown", "x\ny" + "z" * 90, rf"The link's shown is ignored: 'x\ny{'z' * 37}' is none of True, False."),
    ],
)
def test_a_parameter_that_is_ignored_is_one_sentence(name, value, sentence):
    assert link.parse(Small, {name: value}) == (link.standard(Small), [sentence])


def test_what_is_too_long_is_left_out_of_the_link():
    long = link.standard(Small, name="abcdef", sort="up")
    assert not link.fits_link(long)
    assert link.format(long) == {"last": "4", "sort": "up"}
    assert link.fits_link(link.standard(Small, name="abcde"))


def test_parameters_of_streamlit_are_no_mistakes():
    assert link.parse(Small, {"embed": "true", "embed_options": "dark_theme"})[1] == []


def test_links_of_earlier_versions_open_the_same_view():
    choice, notices = link.parse(
        Choice,
        {
            "text": "Birds sing",
            "layer": "2",
            "head": "3",
            "threshold": "0.25",
            "scale": "root",
            "token": "query:1",
            "region": "0-3:1-2",
            "truth": "False",
        },
    )
    assert notices == []
    assert (choice.layer, choice.head, choice.threshold, choice.scale) == (2, 3, 0.25, "root")
    assert (choice.token, choice.region, choice.truth) == ("query:1", "0-3:1-2", False)
    steps, notices = link.parse(StepsChoice, {"scaling": "off", "causal": "on", "temperature": "0.5", "words": "a|b|c"})
    assert notices == []
    assert (steps.scaling, steps.causal, steps.temperature, steps.words) == (False, True, 0.5, "a|b|c")
    watch, notices = link.parse(WatchChoice, {"task": "recall", "rate": "0.001", "norm": "post", "seed": "7"})
    assert notices == []
    assert (watch.task, watch.rate, watch.norm, watch.seed) == ("recall", 0.001, "post", 7)
    assert watch.text == TASKS["recall"].examples[0]


def test_a_link_is_never_longer_than_chat_programs_carry():
    choice = link.standard(Choice, text="t" * (MOST_CHARACTERS_IN_LINK + 1), model="m" * 301)
    assert set(link.format(choice)) == {"layer", "head"}
    assert "text" not in link.format(link.standard(WatchChoice, text="t" * (LONGEST_TEXT + 1)))
    assert set(MATRICES) <= set(link.names(StepsChoice, "free"))
