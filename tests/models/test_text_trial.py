"""A tokenizer that would read for ever, fill the memory or panic: one sentence, and the next text is read."""

import json
import shutil

import pytest
from tokenizers import Regex, normalizers

from models import errors, load_model
from models.encoding import refuse_panics
from models.text_trial import TextTrial
from tests.helpers.small_models import SENTENCE

BACKTRACKS = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
GROWS = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
SLOW = "This model's tokenizer does not read the text within"
FAILS = "This model's tokenizer fails on the text: change the text, or choose another model."


@pytest.fixture
def spoilt(folder_of, tmp_path):
    """Return a function that saves a small model with another normalizer or pre-tokenizer, and loads it."""

    def load(family="bert", **parts):
        folder = tmp_path / "spoilt"
        shutil.copytree(folder_of(family), folder)
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | parts))
        return load_model(str(folder))

    return load


@pytest.fixture
def _on_a_busy_machine(monkeypatch):
    """The library gives up after a number of steps, which may take longer than a visitor would wait."""
    monkeypatch.setattr("models.text_trial.TIMEOUT_SECONDS", 60.0)


@pytest.mark.usefixtures("_on_a_busy_machine")
def test_an_expression_that_gives_up_on_a_text_is_one_sentence(spoilt):
    """The library panics, which is no Exception: it ended a page's thread without a word."""
    model = spoilt(pre_tokenizer=BACKTRACKS)
    with pytest.raises(errors.NoText, match=FAILS):
        model.trace("a" * 40 + "!")
    assert model.trace("the cat")["encoder"].n_query == model.trace("the cat")["encoder"].n_key


@pytest.mark.slow
def test_a_text_that_would_be_read_for_minutes_is_refused(spoilt):
    model = spoilt(pre_tokenizer=BACKTRACKS)
    text = ("a" * 21 + "! ") * 4_000  # half an hour
    for read in (model.trace, model.estimate):
        with pytest.raises(errors.NoText, match=SLOW):
            read(text)
    assert model.trace("the cat")


@pytest.mark.slow
@pytest.mark.usefixtures("_on_a_busy_machine")
def test_a_target_and_a_second_text_are_tried_as_well(spoilt):
    model = spoilt("bart", pre_tokenizer=BACKTRACKS)
    with pytest.raises(errors.NoText, match=FAILS):
        model.trace("the cat", target="a" * 40 + "!")
    with pytest.raises(errors.NoText, match=FAILS):
        model.trace("the cat", text_pair="a" * 40 + "!")


@pytest.mark.slow
def test_a_text_that_would_fill_the_memory_is_refused():
    check = TextTrial({"normalizer": {"type": "Sequence", "normalizers": [GROWS] * 7}})
    with pytest.raises(errors.NoText, match=r"This model's tokenizer (fails on|does not read) the text"):
        check.check("a" * 2_000)  # 20 GB
    check.check("hello")


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        ({"normalizer": None, "pre_tokenizer": None}, False),
        ({"pre_tokenizer": {"type": "Whitespace"}}, False),
        ({"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}}, False),
        ({"normalizer": GROWS}, True),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}}, True),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, BACKTRACKS]}}, True),
        ({}, False),
    ],
)
def test_only_a_tokenizer_that_may_be_slow_is_tried(parts, needed):
    assert TextTrial(parts).needed is needed


def test_an_ordinary_tokenizer_starts_no_process(loaded, monkeypatch):
    monkeypatch.setattr("models.child.subprocess.Popen", lambda *given, **options: pytest.fail("started"))
    assert loaded("bert").trace(SENTENCE)


def test_what_is_tried_is_read_as_ever(spoilt):
    """An expression as Llama 3 has it, which splits as the model's own rule does."""
    plain = {"type": "Split", "pattern": {"Regex": r"\s+"}, "behavior": "Removed", "invert": False}
    tokens = spoilt(pre_tokenizer=plain).trace("the cat sat")["encoder"].query_tokens
    assert [token.display for token in tokens if not token.special] == ["the", "cat", "sat"]


def test_a_process_that_was_killed_is_started_again():
    check = TextTrial({"pre_tokenizer": BACKTRACKS})
    check.check("hello")
    check._child.process.kill()
    check._child.process.wait()
    check.check("hello again")


def test_the_process_ends_with_the_reader():
    check = TextTrial({"pre_tokenizer": BACKTRACKS})
    check.check("hello")
    process = check._child.process
    del check
    process.wait(20)
    assert process.returncode is not None


def test_a_panic_elsewhere_in_the_library_is_a_refusal():
    """Whatever panics inside: here a normalizer that gives up."""
    normalizer = normalizers.Replace(Regex("(a+)+$"), "")
    with pytest.raises(errors.NoText, match=FAILS), refuse_panics():
        normalizer.normalize_str("a" * 40 + "!")
    with pytest.raises(KeyboardInterrupt), refuse_panics():
        raise KeyboardInterrupt
