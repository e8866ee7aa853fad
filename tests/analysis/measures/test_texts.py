"""Measures over many texts: mean and spread are those of numpy, whatever the batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

import models
from analysis.measures import (
    NUMBERS,
    head_distance,
    head_table,
    head_table_of_texts,
    label_patterns,
    reading,
    texts,
)
from analysis.measures.chance import by_chance
from analysis.measures.positions import Positions
from analysis.measures.tables import measure_heads, measure_texts
from models.errors import BadArgument, BadSelection, NoText
from tests.helpers.small_models import FAMILIES, SENTENCE

SENTENCES = [
    "The cat sat on the mat because it was tired.",
    "Rain fell.",
    "She sat on the bank of the river and thought about the bank that held her money.",
    "No one here",
    "A keeper counted ships, wrote the number down, and slept until the next night came.",
]


def test_the_sums_are_those_of_numpy() -> None:
    random = np.random.default_rng(3)
    values = random.normal(1e6, 1, (11, 3, 5))  # a large mean with a small spread
    values[random.random(values.shape) < 0.3] = np.nan
    values[:, 1, 2] = np.nan
    values[1:, 2, 2] = np.nan
    values[0, 2, 2] = 7
    spread = texts.Spread.empty((3, 5))
    for one in values:
        spread.add(one)
    parts = spread.parts()
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        wanted = {"mean": np.nanmean(values, 0), "spread": np.nanstd(values, 0, ddof=1)}
    np.testing.assert_allclose(parts["mean"], wanted["mean"], rtol=1e-14)
    np.testing.assert_allclose(parts["spread"], wanted["spread"], rtol=1e-8)
    np.testing.assert_array_equal(parts["n"], (~np.isnan(values)).sum(0))
    assert np.isnan(parts["mean"][1, 2])
    assert np.isnan(parts["spread"][2, 2])


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 3])
def test_mean_and_spread_of_the_tables_of_each_text(minilm: models.Model, batch: int) -> None:
    done: list[int] = []

    def stream() -> Iterator[str]:
        yield from SENTENCES

    found = head_table_of_texts(minilm, stream(), batch=batch, progress=done.append)
    assert done == sorted(done)
    assert done[-1] == len(SENTENCES)
    tables = [head_table(minilm.trace(text)["encoder"]) for text in SENTENCES]
    for name in (*NUMBERS, "sink"):
        values = np.stack([table[name].to_numpy(float, na_value=np.nan) for table in tables])
        frame = pd.DataFrame(values)
        wanted = {"mean": frame.mean(), "spread": frame.std(), "n": frame.notna().sum()}
        for part, numbers in wanted.items():
            # Texts of a batch are padded: the weights differ in their last digits.
            np.testing.assert_allclose(found[name, part], numbers, rtol=0, atol=1e-5, err_msg=f"{name} {part}")
    # One sentence has no punctuation mark, and counts in no mean of them.
    assert (found["punctuation", "n"] == 4).all()
    chances = [by_chance(Positions.of(minilm.trace(text)["encoder"])) for text in SENTENCES]
    assert found.attrs == pytest.approx(
        {
            f"{name}_by_chance": np.mean([getattr(chance, name) for chance in chances])
            for name in ("vertical", "diagonal")
        }
    )


def test_texts_in_which_uniform_attention_has_a_pattern_have_none() -> None:
    att = models.Attention.from_weights(np.full((1, 1, 3, 3), 1 / 3), ["[CLS]", "Hi", "[SEP]"])
    sums, positions = texts.TextSums.empty(att), Positions.of(att)
    sums.add(measure_heads(att, positions), positions)
    found = sums.table()
    means = pd.DataFrame(found.xs("mean", axis=1, level=1))
    assert label_patterns(means, **found.attrs).isna().all()
    assert label_patterns(means).notna().all()


@pytest.mark.slow
def test_what_cannot_be_measured_is_refused(minilm: models.Model) -> None:
    with pytest.raises(BadArgument, match="take a list of texts"):
        head_table_of_texts(minilm, "one text")
    with pytest.raises(BadArgument, match="no text to measure"):
        head_table_of_texts(minilm, [])
    with pytest.raises(BadArgument, match="1 to 64 texts, not 0"):
        head_table_of_texts(minilm, SENTENCES, batch=0)
    with pytest.raises(BadSelection, match="no 'cross' attention"):
        head_table_of_texts(minilm, SENTENCES, kind="cross")
    with pytest.raises(NoText, match=r"^Text 1: "):
        head_table_of_texts(minilm, ["A text.", "", "Another one."])


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_texts_together_have_the_measures_of_each_alone(family: str, loaded: Callable[[str], models.Model]) -> None:
    model = loaded(family)
    for kind in model.card.kinds:
        padded = model.attend_batch(["the cat", SENTENCE, "a lazy dog reads the sea shells", "fox"], kind)
        found = list(measure_texts(padded))
        assert len(found) == 4
        for number, (means, _) in enumerate(found):
            att = padded.attention(number)
            alone = measure_heads(att, Positions.of(att))
            np.testing.assert_allclose(means.numbers, alone.numbers, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(means.first_of_64, alone.first_of_64, rtol=0, atol=1e-5)
    if family in ("bert", "llama", "bart"):
        assert padded.is_joint


def test_the_progress_of_a_table_and_of_distances_reaches_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.full((2, 3, 5, 5), 0.2)
    att = models.Attention.from_weights(weights, list("abcde"))
    monkeypatch.setattr(reading, "STRIP_WEIGHTS", 1)
    done: list[tuple[int, int]] = []
    head_table(att, progress=lambda *report: done.append(report))
    assert done == [(2 * row, 10) for row in range(1, 6)]
    done.clear()
    head_distance(att, progress=lambda *report: done.append(report))
    assert done == [(row, 5) for row in range(1, 6)]
