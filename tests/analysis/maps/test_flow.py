"""Attention flow: closed forms, what always holds, and the maximum flows of networkx."""

import pickle

import networkx
import numpy as np
import pytest

from analysis import attention_flow
from analysis.maps.chain import make_chain
from models.errors import BadSelection, NotEnoughMemory
from tests.helpers.hand_made import attention, causal_attention, random_weights

N_LAYERS, N_HEADS, N = 4, 3, 7


def capacities(weights: np.ndarray, residual: float, heads: str = "mean") -> np.ndarray:
    """A_l of each layer, `[layer, query, key]`."""
    joined = weights.astype(np.float64).mean(1) if heads == "mean" else weights.astype(np.float64).max(1)
    return residual * np.eye(weights.shape[-1]) + (1 - residual) * joined


def by_networkx(matrices: np.ndarray, query: int, key: int) -> float:
    """The maximum flow by another solver, with capacities in float64."""
    graph = networkx.DiGraph()
    for layer, matrix in enumerate(matrices):
        for (i, j), capacity in np.ndenumerate(matrix):
            graph.add_edge((layer + 1, i), (layer, j), capacity=capacity)
    return networkx.maximum_flow_value(graph, (len(matrices), query), (0, key))


def widest_path(matrices: np.ndarray) -> np.ndarray:
    """The narrowest edge of the best single path, from the last layer's tokens down to the input."""
    found = matrices[0]
    for matrix in matrices[1:]:
        found = np.minimum(matrix[:, :, None], found[None]).max(1)
    return found


@pytest.mark.parametrize(("residual", "heads"), [(0.5, "mean"), (0.0, "mean"), (0.2, "maximum")])
def test_flow_is_the_maximum_flow_of_another_solver(residual, heads):
    weights = random_weights(N_LAYERS, N_HEADS, N, N, seed=2, sharpness=3.0)
    matrices = capacities(weights, residual, heads)
    found = attention_flow(attention(weights), residual=residual, heads=heads)
    assert (found.method, found.n_layers, found.n_heads) == ("flow", N_LAYERS, 1)
    assert "do not sum to 1" in found.notices[0]
    for layer in range(N_LAYERS):
        for query, key in ((0, 0), (3, 5), (6, 1)):
            expected = by_networkx(matrices[: layer + 1], query, key)
            assert abs(found.weights(layer, 0)[query, key] - expected) < 1e-6


def test_flow_is_between_the_best_path_and_what_goes_out_and_in():
    weights = random_weights(7, 2, 7, 7, seed=3, sharpness=4.0)
    matrices, found = capacities(weights, 0.5), attention_flow(attention(weights))
    np.testing.assert_allclose(found.weights(0, 0), matrices[0], atol=1e-7)
    for layer in (1, 2, 6):
        flow = found.weights(layer, 0)
        assert flow.max() <= 1 + 1e-6
        assert (flow <= matrices[0].sum(0) + 1e-6).all()
        assert (flow >= widest_path(matrices[: layer + 1]) - 1e-6).all()


def test_closed_forms():
    same = np.broadcast_to(np.eye(N, dtype=np.float32), (N_LAYERS, N_HEADS, N, N))
    np.testing.assert_array_equal(attention_flow(attention(same)).weights(N_LAYERS - 1, 0), np.eye(N))
    # Uniform: all that goes out of a token arrives at any token, once there are enough layers to spread it.
    uniform = attention(np.full((N_LAYERS, N_HEADS, N, N), 1 / N, np.float32))
    assert np.abs(attention_flow(uniform, residual=0.0).weights(N_LAYERS - 1, 0) - 1).max() < 1e-6
    assert np.abs(attention_flow(uniform, residual=0.0).weights(0, 0) - 1 / N).max() < 1e-6


def test_a_single_row_is_that_of_the_whole_map():
    att = attention(random_weights(4, 2, 5, 5, seed=6))
    alone = attention_flow(att).weights(3, 0, queries=[4, 1])
    np.testing.assert_array_equal(alone, attention_flow(att).weights(3, 0)[[4, 1]])
    copied = pickle.loads(pickle.dumps(attention_flow(att)))
    np.testing.assert_array_equal(alone, copied.weights(3, 0)[[4, 1]])


def test_a_decoder_stays_causal():
    weights = np.tril(random_weights(4, 2, N, N, seed=8))
    weights /= weights.sum(-1, keepdims=True)
    found = attention_flow(attention(weights, kind="decoder", causal=True))
    for layer in range(4):
        np.testing.assert_array_equal(found.mask(layer, 0), np.tri(N, dtype=bool))
        assert (found.weights(layer, 0)[np.tri(N, dtype=bool)] > 0).all()
        assert not np.triu(found.weights(layer, 0), 1).any()


def test_rows_that_are_no_numbers_reach_only_those_that_depend_on_them():
    weights = np.tril(random_weights(3, 2, N, N, seed=5))
    weights[0, 1, 2, 0] = np.nan
    found = attention_flow(attention(weights, kind="decoder", causal=True))
    unknown = [np.isnan(found.weights(layer, 0)).all(1).tolist() for layer in range(3)]
    assert unknown == [[row == 2 for row in range(N)], *2 * [[row >= 2 for row in range(N)]]]


def test_refusals_name_the_remedy(monkeypatch):
    with pytest.raises(BadSelection, match="Flow follows a text through its own layers"):
        attention_flow(attention(random_weights(2, 3, 5, 7)))
    with pytest.raises(BadSelection, match="from 0 to 1"):
        make_chain("flow", attention(random_weights(2, 3, 5, 5)), -0.1, "mean")
    monkeypatch.setattr("models.memory.free_bytes", lambda: 10_000_000)
    with pytest.raises(NotEnoughMemory, match="choose Rollout"):
        attention_flow(causal_attention(2003))
