"""A few of the benchmark's hostile inputs (`python -m benchmarks fuzz` runs 10,000): traced, read or refused."""

import tempfile

import pytest

from benchmarks.fuzzing.checks import check, dice_of, fault_of
from benchmarks.fuzzing.kinds import KINDS
from benchmarks.fuzzing.pages import ENVIRONMENT
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.timeout(180)
# Of 10,000 inputs, so many of the first ones of each kind.
SHARE = 0.02
FEWEST = 4
QUICK = ("name", "weights", "index", "archive")


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module", autouse=True)
def _folder(tmp_path_factory):
    """Where small models and spoilt files are written; the models are kept for all kinds."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("fuzz"))
    yield
    tempfile.tempdir = before


def marked(name: str):
    """Pages open the real model, and other kinds build small ones: together they take half a minute."""
    return pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow])


@pytest.mark.parametrize("name", [marked(name) for name in KINDS])
def test_a_hostile_input_returns_or_is_refused_in_a_sentence(name):
    kind = KINDS[name]
    outcomes = {number: check(kind, number) for number in range(max(FEWEST, round(SHARE * kind.share)))}
    failed = {number: outcome.why for number, outcome in outcomes.items() if outcome.what == "failed"}
    assert failed == {}, f"to see one: python -m benchmarks.fuzz {name!r} {min(failed)}"


def test_an_input_is_made_again_from_its_number():
    for kind in KINDS.values():
        if not kind.pages:
            assert repr(kind.make(dice_of(kind.name, 3))) == repr(kind.make(dice_of(kind.name, 3))), kind.name


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("Give another name.", ""),
        ("two\nlines", "not one line"),
        ("", "not one line"),
        (f"{ROOT}/models is missing.", "a path of this machine"),
        ("Something went wrong that Headlight did not expect; Try again.", "an unexpected error"),
        ("half \ud800", "half a character, which no message can carry"),
    ],
)
def test_what_a_sentence_may_not_be(sentence, why):
    assert fault_of(sentence) == why
