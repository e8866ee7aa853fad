"""Masks as runs of keys: found only if they are exact, and the weights are the same as with the whole mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.capture.masks import Spans, compact
from models.capture.replay import Replay

N_QUERY, N_KEY = 7, 11


QUERY, KEYS = torch.arange(N_QUERY)[:, None], torch.arange(N_KEY)[None]


MASKS = {
    "causal": KEYS <= QUERY,
    "window": (KEYS - QUERY).abs() <= 2,
    "padding on the right": (KEYS < 8).expand(N_QUERY, -1),
    "padding on the left": (KEYS >= 3).expand(N_QUERY, -1),
    "packed": KEYS // 4 == QUERY // 4,
    "a row that sees nothing": (KEYS <= QUERY) & (QUERY != 4),
    "nothing at all": torch.zeros(N_QUERY, N_KEY, dtype=torch.bool),
    "one key": KEYS == QUERY,
}


HOLES = {
    "every second key": (KEYS % 2 == 0).expand(N_QUERY, -1),
    "the first key and a window": ((KEYS - QUERY).abs() <= 1) | (KEYS == 0),
    "one hole": (KEYS != 5).expand(N_QUERY, -1),
}


@pytest.mark.parametrize("additive", [None, torch.finfo(torch.float32).min, -torch.inf])
@pytest.mark.parametrize("name", MASKS)
def test_a_run_of_keys_is_found_and_is_the_mask(name, additive):
    mask = MASKS[name][None]
    spans = compact(mask if additive is None else torch.zeros(mask.shape).masked_fill(~mask, additive))
    assert isinstance(spans, Spans)
    assert torch.equal(spans.allowed(slice(None), 0, N_KEY), mask)
    assert torch.equal(spans.allowed([6, 2], 3, 9), mask[:, [6, 2], 3:9])
    assert spans.n_pairs == int(mask.sum())


@pytest.mark.parametrize("name", HOLES)
def test_a_mask_with_holes_stays_as_it_is(name):
    mask = HOLES[name][None]
    assert compact(mask) is mask


def test_other_masks_stay_as_they_are():
    of_heads = torch.ones(3, N_QUERY, N_KEY, dtype=torch.bool).tril()
    bias = torch.randn(1, N_QUERY, N_KEY)
    assert compact(of_heads) is of_heads
    assert compact(bias) is bias
    assert compact(torch.ones(1, N_QUERY, N_KEY, dtype=torch.bool)) is None
    assert compact(torch.zeros(1, N_QUERY, N_KEY)) is None


def test_a_long_mask_is_looked_at_in_parts(monkeypatch):
    monkeypatch.setattr("models.capture.masks.MASK_CELLS", 3 * N_KEY)
    for mask in MASKS.values():
        assert torch.equal(compact(mask[None]).allowed(slice(None), 0, N_KEY), mask[None])
    for mask in HOLES.values():
        assert isinstance(compact(mask[None]), torch.Tensor)


@given(
    st.lists(st.tuples(st.integers(0, N_KEY), st.integers(0, N_KEY)), min_size=N_QUERY, max_size=N_QUERY),
    st.booleans(),
    st.booleans(),
    st.slices(N_QUERY).filter(lambda part: (part.step or 1) > 0),
)
@pytest.mark.slow
def test_weights_are_the_same_whether_a_mask_is_held_whole_or_as_runs(runs, causal, with_sinks, part):
    """Rows that see nothing included: they are as eager attention has them, equal on all keys."""
    generator = torch.Generator().manual_seed(3)
    query, key = torch.randn(4, N_QUERY, 5, generator=generator), torch.randn(2, N_KEY, 5, generator=generator)
    spans = Spans(*(torch.tensor(side) for side in zip(*((min(run), max(run)) for run in runs), strict=True)))
    sinks = torch.randn(4, generator=generator) if with_sinks else None
    whole = Replay(query, key, 0.7, mask=spans.allowed(slice(None), 0, N_KEY), causal=causal, sinks=sinks)
    short = Replay(query, key, 0.7, mask=spans, causal=causal, sinks=sinks)
    heads = slice(1, 3)
    found = short.rows(heads, part)
    # Measured: 1.2e-7, sums of fewer addends round otherwise.
    np.testing.assert_allclose(found, whole.rows(heads, part), atol=3e-7)
    np.testing.assert_array_equal(short.allowed(heads, part), whole.allowed(heads, part))
    band, low = short.band(heads, part)
    np.testing.assert_array_equal(band, found[:, :, low : low + band.shape[2]])
