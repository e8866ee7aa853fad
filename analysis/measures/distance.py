"""How far heads are from one another: the Jensen-Shannon divergence of their rows."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from analysis.measures.positions import Positions
from analysis.measures.reading import Progress, read_layers, reporting
from analysis.measures.tables import heads_of
from models import Attention
from models.arguments import checked
from models.errors import BadArgument, TooLong

# Every pair of heads is compared at every pair of positions. 10^9 of these take 4 s.
MOST_COMPARED = 4 * 10**9
# So many weights at once stay in the cache of a processor: three times as fast as all heads at once.
TOGETHER = 2**16
# The logarithm of 0 is never needed: 0 times it is 0.
SMALLEST = float(np.finfo(np.float64).tiny)


@checked
def head_distance(att: Attention, *, progress: Progress | None = None) -> pd.DataFrame:
    """Return how far each head is from each other one, indexed and labelled by `layer, head`.

    It is the mean over queries of the Jensen-Shannon divergence of the two rows in bits: 0 for heads that look alike, 1
    for heads that share no key. Its square root is a metric (Endres and Schindelin 2003). Rows are divided by their
    sums; a query that is hidden, or whose row is empty in either head, counts in no mean. NaN for heads with weights
    that are NaN or negative. The weights are read in strips; `progress(done, total)` is called with the number of
    queries that are read.

    Raises:
        TooLong: there are too many heads for a text of this length.
    """
    heads = heads_of(att)
    n_pairs = len(heads) * (len(heads) - 1) // 2
    if n_pairs * att.n_query * att.n_key > MOST_COMPARED:
        most = math.isqrt(MOST_COMPARED // n_pairs)
        raise TooLong(
            f"Distances between {len(heads)} heads are computed for texts of up to {most} tokens, "
            f"and this one has {max(att.n_query, att.n_key)}: choose a shorter text."
        )
    positions = Positions.of(att)
    sums, counts = torch.zeros((2, len(heads), len(heads)), dtype=torch.float64, device="cpu")
    for strip in reporting(read_layers(att, range(att.n_layers)), progress, 0, att.n_query, 1):
        exact = torch.from_numpy(strip.weights.astype(np.float64))
        exact[(exact < 0).any(-1)] = torch.nan
        totals = exact.sum(-1)
        counted = torch.from_numpy(strip.count_rows(totals.numpy(), positions.hidden))
        _compare_rows(exact / torch.where(counted, totals, 1)[..., None], counted, sums, counts)
    found = (sums / counts).clamp_(min=0)
    index = pd.MultiIndex.from_tuples(heads, names=["layer", "head"])
    return pd.DataFrame((found.triu() + found.triu(1).T).numpy(), index, index)


def _compare_rows(
    exact: Float[Tensor, "head query key"],
    counted: Bool[Tensor, "head query"],
    sums: Float[Tensor, "head head"],
    counts: Float[Tensor, "head head"],
) -> None:
    """Add the divergences of the rows of each head from those of itself and the heads after it, and their number."""
    entropies = torch.cat([_entropy(rows) for rows in exact.split(1)])
    n_together = max(1, TOGETHER // exact[0].numel())
    for head in range(len(exact)):
        for first in range(head, len(exact), n_together):
            others = slice(first, first + n_together)
            both = counted[head] & counted[others]
            mixed = _entropy((exact[head] + exact[others]) / 2)
            divergence = mixed - (entropies[head] + entropies[others]) / 2
            sums[head, others] += torch.where(both, divergence, 0).sum(-1)
            counts[head, others] += both.sum(-1)


def _entropy(rows: Float[Tensor, "head query key"]) -> Float[Tensor, "head query"]:
    return -(rows.clamp_min(SMALLEST).log2_().mul_(rows)).sum(-1)


@checked
def nearest_heads(
    att: Attention, layer: int, head: int, n: int = 5, *, distance: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the `n` heads that are nearest to one head, the nearest first, indexed by `layer, head`.

    The column `distance` is that of `head_distance`, which may be given if it is known. Heads whose distance is NaN are
    left out.

    Raises:
        BadSelection: no such layer or head.
        BadArgument: a negative number of heads.
        TooLong: as `head_distance`.
    """
    att.head_name(layer, head)  # refuses a head that does not exist
    if n < 0:
        raise BadArgument(f"{n} heads cannot be the nearest: give 0 or more.")
    known = head_distance(att) if distance is None else distance
    found = pd.DataFrame({"distance": known[(layer, head)]}).drop(index=(layer, head)).dropna()
    return found.sort_values("distance", kind="stable").head(n)


@checked
def head_map(att: Attention, *, distance: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return two coordinates `x` and `y` for each head, indexed by `layer, head`: near heads look alike.

    They are those of scikit-learn's multidimensional scaling (SMACOF, from the classical solution, so that the map of
    the same heads is always the same) of the square root of `head_distance`, which is a metric. `.attrs["stress"]` is
    Kruskal's stress, how far the map is from the distances: 0 is exact, above 0.2 is poor. Heads without a distance
    have NaN. Axes have no meaning of their own.

    Raises:
        TooLong: as `head_distance`.
    """
    known = head_distance(att) if distance is None else distance
    usable = known.to_numpy().diagonal() == 0
    apart = np.sqrt(known.to_numpy()[np.ix_(usable, usable)])
    table = pd.DataFrame(np.nan, known.index, ["x", "y"])
    table.loc[usable] = 0.0
    table.attrs["stress"] = 0.0
    if apart.size and apart.max() > 0:
        from sklearn.manifold import MDS  # here, since it takes half a second to import

        scaling = MDS(metric="precomputed", init="classical_mds", n_init=1, normalized_stress=True)
        table.loc[usable] = scaling.fit_transform(apart)
        table.attrs["stress"] = float(scaling.stress_)
    return table
