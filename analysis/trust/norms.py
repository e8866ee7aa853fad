"""How much of the attention stays where it is if weights are multiplied by what they let through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

import numpy as np

from analysis.maps import value_weighted
from analysis.strips import layer_strips
from analysis.trust.eager import inputs_of, why_not_again
from analysis.trust.finding import Finding, count
from analysis.trust.survey import Progress, name_heads
from models import Attention, AttentionTrace, Model
from models.arguments import checked
from models.errors import NoAttention
from models.request import Inputs

_NAME = "value norms"
# With a smaller kept share, most of what the map shows is not what the model reads.
HALF = 0.5


@checked
def check_norms(
    model: Model, trace: AttentionTrace, *, progress: Progress | None = None, **inputs: Unpack[Inputs]
) -> tuple[Finding, ...]:
    """Return how much of the attention the value-weighted norms keep (Kobayashi et al. 2020), for each kind.

    A row of weights and the same row of norms, each divided by its sum, share the sum over keys of the smaller of both:
    1 if the norms change nothing, 0 if all attention goes to keys that pass on nothing. The finding has the mean over
    all rows of all heads, and the share of the first token in both. Another one names the heads that pass on nothing.
    `inputs` are the picture or the sound, which a
    trace does not keep; `progress(done, total)` may end the check by an exception.

    Raises:
        HeadlightError: the text can no longer be traced.
    """
    given = {**inputs_of(trace), **inputs}
    refused = why_not_again(model, trace.source, given)
    if refused:
        return (Finding(_NAME, "note", f"The norms of the values were not computed: {refused}"),)
    found = []
    for kind in trace:
        which = f"{kind} " if len(trace.kinds) > 1 else ""
        try:
            normed = value_weighted(model, kind=kind, normalise=True, progress=progress, **given)
        except NoAttention as refusal:
            return (Finding(_NAME, "note", f"The norms of the values were not computed: {refusal}"),)
        found += [_judge(trace[kind], normed, which), *_silent(trace[kind], normed, which)]
    return tuple(found)


def _judge(att: Attention, normed: Attention, which: str) -> Finding:
    kept, first, first_normed = compare_rows(att, normed)
    return Finding(
        _NAME,
        "note",
        f"{kept:.0%} of the {which}attention stays on its keys if each weight is multiplied by the length of the "
        f"vector that it lets through; the first token gets {first:.0%} before and {first_normed:.0%} after.",
        kept,
        "Look at Value-weighted too: a large weight here may let through nearly nothing." if kept < HALF else "",
    )


def _silent(att: Attention, normed: Attention, which: str) -> Iterator[Finding]:
    """Yield the heads that attend to tokens, and pass on nothing of any of them."""
    heads = []
    for layer in range(att.n_layers):
        passes, attends = np.zeros((2, att.heads_in(layer)), bool)
        for (_, weights), (_, norms) in zip(layer_strips(att, layer), layer_strips(normed, layer), strict=True):
            attends |= (weights > 0).any((1, 2))
            passes |= (norms != 0).any((1, 2))  # NaN is not 0
        heads += [(layer, int(head)) for head in np.flatnonzero(attends & ~passes)]
    if heads:
        yield Finding(
            "silent heads",
            "warning",
            f"{count(len(heads), which + 'head passes', which + 'heads pass')} on nothing, whatever is attended to "
            f"({name_heads(att, heads)}): the values or the output projection there are 0.",
            len(heads),
            "Do not read these heads: the model does not use them. They were pruned, or the weights are damaged.",
        )


def compare_rows(att: Attention, normed: Attention) -> tuple[float, float, float]:
    """Return the share that the rows of two maps have in common, and the first key's share in both: means over rows.

    Rows are divided by their sums; those that are empty or have NaN in one of both are left out. NaN if none is left.
    """
    totals, n_rows = np.zeros(3), 0
    for layer in range(att.n_layers):
        both = zip(layer_strips(att, layer), layer_strips(normed, layer), strict=True)
        for (_, weights), (_, norms) in both:
            with np.errstate(divide="ignore", invalid="ignore"):
                ours, theirs = (
                    each.astype(np.float64) / each.sum(-1, keepdims=True, dtype=np.float64) for each in (weights, norms)
                )
            whole = np.isfinite(ours).all(-1) & np.isfinite(theirs).all(-1)
            ours, theirs = ours[whole], theirs[whole]
            totals += np.minimum(ours, theirs).sum(), ours[:, 0].sum(), theirs[:, 0].sum()
            n_rows += int(whole.sum())
    kept, first, first_normed = (totals / n_rows if n_rows else np.full(3, np.nan)).tolist()
    return kept, first, first_normed
