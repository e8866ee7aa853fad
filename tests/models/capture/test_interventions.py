"""Hidden keys, forced patterns and replaced outputs, against loops over single positions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.capture.ablation import Ablation, Change, check_masked
from models.capture.forced import PATTERNS, ForcedLayer, pattern_weights
from models.capture.interventions import Place, hide_keys
from models.capture.replay import Replay
from models.errors import BadSelection
from tests.helpers.plain_changes import pattern_by_hand


@pytest.mark.parametrize("pattern", PATTERNS)
def test_forced_patterns_stay_within_any_mask(pattern):
    generator = torch.Generator().manual_seed(3)
    for n_query, n_key in ((1, 1), (5, 7), (13, 11)):
        allowed = torch.rand(n_query, n_key, generator=generator) < 0.4
        queries = torch.randperm(n_key, generator=generator)[: min(n_query, n_key)]
        found = pattern_weights(pattern, allowed[: len(queries)], queries)
        expected = [
            pattern_by_hand(pattern, one.tolist(), int(query)) for one, query in zip(allowed, queries, strict=False)
        ]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_hidden_keys_are_hidden_in_every_kind_of_mask_except_from_themselves():
    hidden = torch.tensor([[False, True, False], [False, False, False]])
    additive = torch.zeros(1, 1, 3, 3)
    additive[..., 0, 2] = 0.5  # a bias
    found = hide_keys(None, hidden, 3, causal=True, keep_own=True)
    assert found[0, 0].tolist() == [[True, False, False], [True, True, False], [True, False, True]]
    assert found[1, 0].tolist() == torch.ones(3, 3, dtype=torch.bool).tril().tolist()
    assert hide_keys(None, hidden, 3, causal=False, keep_own=False)[0, 0].tolist() == [[True, False, True]] * 3
    wide = torch.ones(1, 1, 1, 5, dtype=torch.bool)  # of a cache, and one row for all queries
    assert hide_keys(wide, hidden, 3, causal=False, keep_own=True)[0, 0].tolist()[0] == [True, False, True]
    added = hide_keys(additive, hidden, 3, causal=False, keep_own=True)
    assert added[0, 0, 0].tolist() == [0, torch.finfo(torch.float32).min, 0.5]
    assert added[0, 0, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("causal", [False, True])
def test_the_mean_leaves_out_padding_and_masked_tokens(causal):
    output = torch.randn(2, 7, 3, 5, generator=torch.Generator().manual_seed(1))
    lengths = [{"self": 7}, {"self": 5}]
    masked = [(0, 3), ()]
    rows = [Change({("self", 1, 2): "mean"}, masked[row], lengths[row]) for row in range(2)]
    ablation = Ablation(rows, frozenset({"self"} if causal else ()))
    found = ablation.change_output(Place("self", 1), [], output, output)
    for row in range(2):
        for query in range(lengths[row]["self"]):
            seen = range(query + 1) if causal else range(lengths[row]["self"])
            kept = [one for one in seen if one not in masked[row]] or [query]
            expected = output[row, kept, 2].mean(0)
            torch.testing.assert_close(found[row, query, 2], expected)
    torch.testing.assert_close(found[:, :, :2], output[:, :, :2], rtol=0, atol=0)
    assert ablation.change_output(Place("self", 0), [], output, output) is output


def test_a_forced_layer_has_the_pattern_in_rows_bands_and_output():
    generator = torch.Generator().manual_seed(5)
    query, key = torch.randn(6, 11, 5, generator=generator), torch.randn(2, 11, 5, generator=generator)
    value = torch.randn(1, 2, 11, 3, generator=generator)
    replay = Replay(query, key, 0.3, causal=True)
    layer = ForcedLayer(replay, ((4, "previous"), (1, "uniform")))
    rows = layer.rows(slice(None), slice(None))
    torch.testing.assert_close(rows[[0, 2, 3, 5]], replay.rows(slice(None), slice(None))[[0, 2, 3, 5]])
    torch.testing.assert_close(rows[1], torch.ones(11, 11).tril() / torch.arange(1.0, 12)[:, None])
    assert rows[4].argmax(-1).tolist() == [0, *range(10)]
    band, low = layer.band(slice(3, 5), [2, 4])
    torch.testing.assert_close(band, rows[3:5, [2, 4], low : low + band.shape[2]])
    assert layer.part(7, 7).rows(slice(4, 5), slice(6, 7))[0, 0].tolist() == [0, 0, 0, 0, 0, 1, 0]
    changed = Ablation([Change({("self", 0, 4): "previous", ("self", 0, 1): "uniform"})], frozenset({"self"}))
    output = changed.change_output(Place("self", 0), [replay], value, torch.zeros(1, 11, 6, 3))
    for head, kv_head in ((4, 1), (1, 0)):
        torch.testing.assert_close(output[0, :, head], rows[head] @ value[0, kv_head])


def test_a_position_or_a_head_that_is_not_there_is_one_sentence():
    with pytest.raises(BadSelection, match="no position 4 to mask: the text has the positions 0 to 3"):
        check_masked((1, 4), 4)
    with pytest.raises(BadSelection, match="has all 2 positions"):
        check_masked((0, 1), 2)
    with pytest.raises(BadSelection, match="no head 5: layer 0 has heads 0 to 1"):
        Ablation([Change({("self", 0, 5): "zero"})], frozenset()).change_output(
            Place("self", 0), [], torch.ones(1, 1, 3, 2), torch.ones(1, 3, 2, 2)
        )
