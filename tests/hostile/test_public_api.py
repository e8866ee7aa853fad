"""No wrong value of an argument ends a public function with an error of Python, only with one sentence."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

import numpy as np
import pytest

import analysis
import models
import viz
from models.arguments import checked
from tests.helpers.forked import run_python

pytestmark = pytest.mark.slow
# Records of values that were computed, and the class of models that `load_model` makes.
RECORDS = {"Card", "Export", "Finding", "Method", "Model", "Source", "Token", "Shares"}
# A signal needs a network that reads numbers; its arguments are checked as those of `patches` are.
LEFT_OUT = {"signal"}


def public() -> Iterator[str]:
    """Yield the qualified names of the public functions and methods, as `import` finds them."""
    for name, found in ((name, getattr(room, name)) for room in (models, viz, analysis) for name in room.__all__):
        if inspect.isclass(found) and not issubclass(found, Exception):
            for method, function in inspect.getmembers(found, callable):
                room = str(getattr(function, "__module__", "")).partition(".")[0]
                if not method.startswith("_") and room in ("models", "viz", "analysis"):
                    yield function.__qualname__
            if name not in RECORDS:
                yield name
        elif inspect.isfunction(found):
            yield name


@pytest.fixture(scope="module")
def outcomes() -> list[dict[str, str]]:
    run = run_python("-m", "tests.hostile.public_calls")
    assert run.returncode == 0, run.stderr[-2000:]
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def test_every_wrong_value_is_a_value_or_one_sentence(outcomes):
    assert [each for each in outcomes if "error" in each] == []


def test_every_public_function_is_called(outcomes):
    called = {each["function"] for each in outcomes if "function" in each}
    assert set(public()) - called - LEFT_OUT == set()


@checked
def example(number: int, share: float | None = None, names: list[str] | str = "", *more: int, **options: bool) -> tuple:
    """Return what came."""
    return number, share, names, more, options


def test_numbers_become_pythons():
    number, share, *_ = example(np.int16(3), share=np.float32(0.5))
    assert (type(number), number, type(share), share) == (int, 3, float, 0.5)
    assert example(1, 2, ["a"], "not checked", other="either") == (1, 2, ["a"], ("not checked",), {"other": "either"})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"number": "3"}, "number is a whole number, not '3'."),
        ({"number": True}, "number is a whole number, not True."),
        ({"number": 3.0}, "number is a whole number, not 3.0."),
        ({"number": 1, "share": object()}, "share is a number or None, not a value of the type object."),
        ({"number": 1, "names": [1]}, "names is a list of texts or a text, not a value of the type list."),
    ],
)
def test_a_sentence_says_what_was_expected_and_what_came(given, sentence):
    with pytest.raises(models.HeadlightError) as refusal:
        example(**given)
    assert str(refusal.value) == sentence
    assert isinstance(refusal.value, TypeError)


def test_missing_and_unknown_arguments_are_errors_of_python():
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        example()
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        viz.DrawOptions(nothing=1)
