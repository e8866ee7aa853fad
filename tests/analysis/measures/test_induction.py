"""How heads look back in what repeats itself: by loops, on known heads, and on real models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import models
from analysis.measures import induction_table
from analysis.measures.induction import EFFECTS, look_back
from models import Attention, load_model
from models.errors import BadArgument, BadSelection, NoText
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.paths import golden

REPEATED = golden("smollm2_effects")["repeated"]


def read(ids: list[int], weights: np.ndarray) -> Attention:
    shown = tuple(replace(token, id=ids[at]) for at, token in enumerate(tokens(*map(str, ids))))
    return attention(weights, shown)


def by_loops(weights: np.ndarray, ids: list[int]) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in EFFECTS}
    for query in range(len(ids)):
        earlier = [key for key in range(query) if ids[key] == ids[query]]
        after = [key + 1 for key in earlier if key + 1 < query]
        for name, keys in (("induction", after), ("duplicate", earlier), ("previous", [query - 1] * (query > 0))):
            if keys:
                found[name].append(sum(float(weights[query, key]) for key in keys))
    return {name: float(np.mean(values)) if values else np.nan for name, values in found.items()}


@pytest.mark.parametrize("ids", [[1, 5, 6, 7, 5, 6, 7], [3, 3, 3, 4, 3, 4, 9], [1, 2, 3, 4, 5, 6, 7]])
def test_random_heads(ids: list[int]) -> None:
    weights = random_weights(2, 3, 7, 7)
    table = look_back(read(ids, weights))
    for layer, head in table.index:
        wanted = by_loops(weights[layer, head], ids)
        assert table.loc[(layer, head)].to_dict() == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def test_a_head_that_looks_at_what_came_next_is_an_induction_head() -> None:
    ids = [0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]
    at = np.arange(11)
    heads = [np.eye(11)[np.where(at > 5, at - back, 0)] for back in (4, 5)]
    heads.append(np.eye(11)[np.maximum(at - 1, 0)])
    table = look_back(read(ids, np.stack([heads])))
    np.testing.assert_array_equal(table.to_numpy()[:2], [[1, 0, 1 / 10], [0, 1, 1 / 10]])
    np.testing.assert_array_equal(table.loc[(0, 2)], [0, 0, 1])


@pytest.mark.slow
def test_the_real_decoder_has_the_heads_that_others_found() -> None:
    model = load_model("smollm2")
    given, drawn = induction_table(model, REPEATED["ids"]), induction_table(model)
    for name in EFFECTS:
        # 6 digits; 6e-7 seen.
        np.testing.assert_allclose(given[name].to_numpy().reshape(30, 9), REPEATED[name], rtol=0, atol=1e-5)
    assert drawn.attrs["ids"][0] == 1  # the start token, which the tokenizer does not write of itself
    assert len(set(drawn.attrs["ids"])) == 65
    assert drawn.attrs["ids"][1:65] == drawn.attrs["ids"][65:]
    # The heads are the same whatever the random tokens are.
    assert set(drawn["induction"].nlargest(5).index) == set(given["induction"].nlargest(5).index)


@pytest.mark.slow
def test_encoders_and_models_without_such_tokens(minilm: models.Model) -> None:
    table = induction_table(minilm, length=31, seed=5)
    ids = table.attrs["ids"]
    assert (ids[0], ids[-1], len(ids)) == (101, 102, 64)
    assert ids == induction_table(minilm, length=31, seed=5).attrs["ids"] != induction_table(minilm).attrs["ids"]
    assert table.notna().all(axis=None)
    assert len(induction_table(minilm, length=10_000).attrs["ids"]) == minilm.card.max_tokens
    with pytest.raises(BadSelection, match="no 'cross' attention"):
        induction_table(minilm, kind="cross")
    with pytest.raises(BadArgument, match="at least 2 tokens, not 1"):
        induction_table(minilm, length=1)
    with pytest.raises(NoText, match=r"scratch:digits .* take a model of texts"):
        induction_table(load_model("scratch:digits"))
