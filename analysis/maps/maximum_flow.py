"""Attention flow: the maximum flow from each token down to the input (Abnar and Zuidema 2020, arXiv:2005.00928)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from jaxtyping import Bool, Float, Int

from analysis.maps.chain import Chain, make_chain, split_unknown
from analysis.maps.cost import admit
from analysis.maps.locked import Locked
from analysis.maps.methods import METHODS
from analysis.maps.notices import FLOWS
from analysis.maps.reach import Reach
from models import Attention
from models.arguments import checked
from models.capture.cost import Budget
from models.capture.masks import Spans
from models.computed import ComputedLayer

# The solver takes capacities of 32 bits. The flow through a token is at most the sum of its row.
UNITS = 2**30


@checked
def attention_flow(att: Attention, residual: float = 0.5, heads: str = "mean") -> Attention:
    """Return one head for each layer: `weights(layer, 0)` has maximum flows from that layer's tokens down to the input.

    The capacities are A_l = residual I + (1 - residual) W_l, where W_l is the "mean" or the "maximum" of the heads.
    Each number is the value of a maximum flow on its own, as it is, so that rows do not sum to 1. A row is computed
    when somebody asks for it, a flow for each token of the input, and kept. A row that is not a number, or depends on
    such a row, is NaN.

    Raises:
        BadSelection: the queries are of another text than the keys, it is a view or another map, or an argument is
            wrong.
        NotEnoughMemory: the capacities of all layers would not fit; the sentence has the estimate.
    """
    chain = make_chain("flow", att, residual, heads)
    method = METHODS["flow"]
    # The caller chooses rows, so only the memory is known to be needed.
    admit(method.title, method.estimate(att), method.remedy, Budget(seconds=math.inf))
    flows, n = Flows(chain, chain.reach()), chain.n_tokens
    layers = [ComputedLayer(n, n, partial(flows.rows, layer), reach) for layer, reach in enumerate(flows.reach)]
    return att.derived(layers, "flow", (*att.notices, FLOWS))


@dataclass(frozen=True)
class _Graph:
    """All layers as one graph: token i of layer l is the node (l + 1) n + i, and the token of the input the node i.

    Node by node, `starts` has where its edges start, and `targets` and `capacities` have these, so that the layers up
    to one are a part of the same arrays. A capacity of 1 has `units`. `sums` are the sums of the rows of each layer,
    and `unknown` says which rows are NaN. `lowest` are the matrices of the first two layers.
    """

    starts: Int[np.ndarray, " node"]
    targets: Int[np.ndarray, " edge"]
    capacities: Int[np.ndarray, " edge"]
    units: float
    sums: Float[np.ndarray, "layer query"]
    unknown: Bool[np.ndarray, "layer query"]
    lowest: tuple[Float[np.ndarray, "query key"], ...]


@dataclass
class Flows(Locked):
    """The maximum flows of a chain, each row computed once; `reach` says which flows are not 0."""

    chain: Chain
    reach: list[Reach]
    _graph: _Graph | None = None
    _rows: dict[tuple[int, int], Float[np.ndarray, " key"]] = field(default_factory=dict)

    def rows(self, layer: int, queries: Int[np.ndarray, " query"]) -> Float[np.ndarray, "query key"]:
        """Return the flows from these tokens of a layer to all tokens of the input."""
        with self.lock:
            if self._graph is None:
                self._graph = _build(self.chain)
            for query in map(int, queries):
                if (layer, query) not in self._rows:
                    self._rows[layer, query] = self._row(self._graph, layer, query)
            found = [self._rows[layer, int(query)] for query in queries]
        return np.array(found).reshape(len(found), self.chain.n_tokens)

    def _row(self, graph: _Graph, layer: int, query: int) -> Float[np.ndarray, " key"]:
        n = self.chain.n_tokens
        if graph.unknown[layer, query]:
            return np.full(n, np.nan)
        if layer == 0:
            return graph.lowest[0][query]
        if layer == 1:  # two paths have no edge in common, so each carries what its narrower edge lets through
            return np.minimum(graph.lowest[1][query][:, None], graph.lowest[0]).sum(0)
        return _solve(graph, n, layer, query, _keys(self.reach[layer], query, n))


def _keys(reach: Reach, query: int, n: int) -> Int[np.ndarray, " key"]:
    """Return the tokens of the input that a token can come from."""
    if reach is None:
        return np.arange(n)
    allowed = reach.allowed([query], 0, n)[0, 0] if isinstance(reach, Spans) else reach[query]
    return np.flatnonzero(allowed.numpy())


def _build(chain: Chain) -> _Graph:
    n = chain.n_tokens
    below, unknown, matrices = np.zeros(n, np.bool_), [], []
    for layer in range(chain.n_layers):
        matrix, below = split_unknown(chain.matrix(layer), below)
        matrices.append(matrix)
        unknown.append(below)
    sums = np.array([matrix.sum(1) for matrix in matrices])
    units = UNITS / max(1.0, float(sums.max()))
    counts, targets, capacities = [np.zeros(n + 1, np.int32)], [], []
    for layer, matrix in enumerate(matrices):
        whole = np.rint(matrix * units).astype(np.int32)
        rows, columns = np.nonzero(whole)
        counts.append(np.bincount(rows, minlength=n).astype(np.int32))
        targets.append((columns + layer * n).astype(np.int32))
        capacities.append(whole[rows, columns])
    starts = np.concatenate(counts).cumsum(dtype=np.int32)
    joined = np.concatenate(targets), np.concatenate(capacities)
    return _Graph(starts, *joined, units, sums, np.array(unknown), tuple(matrices[:2]))


def _solve(
    graph: _Graph, n: int, layer: int, query: int, keys: Int[np.ndarray, " reached"]
) -> Float[np.ndarray, " key"]:
    """Return the flow from a token of a layer to each token of the input."""
    # Here, since it takes a third of a second to import.
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    n_nodes = (layer + 2) * n
    starts = graph.starts[: n_nodes + 1]
    part = csr_array((graph.capacities[: starts[-1]], graph.targets[: starts[-1]], starts), shape=(n_nodes, n_nodes))
    source, found = (layer + 1) * n + query, np.zeros(n)
    for key in map(int, keys):
        found[key] = maximum_flow(part, source, key).flow_value / graph.units
    # Rounding to units may give a little more than the row has.
    return np.minimum(found, graph.sums[layer, query])
