"""The blank-out check: how far the output moves if a token is masked, and which method foretells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.causes import token_effects
from analysis.maps.attention_rollout import rollout
from analysis.maps.cost import admit
from analysis.maps.gradients import roll_out
from analysis.maps.maximum_flow import attention_flow
from analysis.maps.methods import METHODS
from analysis.maps.value_norms import value_weighted
from models import Attention, Model
from models.arguments import checked
from models.capture.cost import Budget, Estimate
from models.capture.gradients import trace_gradient
from models.errors import HeadlightError
from models.given_text import Text

Progress = Callable[[int, int], None]
# The parts of a check, from which percent of it to which.
STAGES = {"gradient": (0, 20), "trace": (20, 25), "values": (25, 30), "effects": (30, 100)}
# The longest that the flow may take, of all methods by far the slowest.
FLOW_SECONDS = 20.0


@checked
def blank_out(
    model: Model,
    text: Text | None = None,
    *,
    progress: Progress | None = None,
    budget: Budget | None = None,
    **inputs: Any,
) -> pd.DataFrame:
    """Return, for each token of a text, how far the output moves without it, beside the importance by each method.

    Indexed by `position`: `token`, `effect` (`analysis.causes.token_effects`), and a column for each method of
    `METHODS`. The importance of a token is what the positions have of it at which the model's answer is read: the last
    position of a decoder, the masks of a masked model, the first token or whichever a classifier reads, and all
    tokens, on average, of a pooled embedding. They are found by the gradient of the answer, and are in
    `.attrs["reads"]`. "attention" and "value-weighted" are means over the heads of the last layer, "rollout", "flow"
    and "gradient" (its rollout) go from the last layer down to the input. An encoder-decoder's decoder reads a text by
    its cross attention, so "rollout" and "flow" are NaN there, and "gradient" is that of the last layer's cross heads.

    `.attrs["rank_correlation"]` has Spearman's rho of each method with `effect`, NaN where it is not defined: fewer
    than 3 tokens, or all alike. A token that is alone in reading the answer is left out, because a masked token still
    reads itself. `.attrs["left_out"]` says why a method has no numbers, and `.attrs["gradient_of"]` what the gradient
    is of; the others are those of `token_effects`. `progress(done, total)` counts the percent of all parts.

    Raises:
        NoAttention: the model returns its weights itself, so nothing can be masked.
        HeadlightError: as `gradient_attention` and `token_effects`, whose costs are admitted one by one.
    """
    stages = _stages(progress)
    found = trace_gradient(model, text, budget=budget, progress=stages["gradient"], **inputs)
    kind = "cross" if found.by_decoder else model.card.kinds[0]
    att = model.trace(text, budget=budget, progress=stages["trace"], **inputs)[kind]
    reads = found.reads or tuple(range(att.n_query))

    def weigh() -> Attention:
        return value_weighted(model, text, kind=kind, budget=budget, progress=stages["values"], **inputs)

    columns, left_out = _Read(att, found.trace[kind], reads).importances(weigh)
    table = token_effects(model, text, budget=budget, progress=stages["effects"], **inputs)[["token", "effect"]]
    compared = np.ones(att.n_key, bool)
    if len(reads) == 1 and kind != "cross":
        compared[reads[0]] = False
    effect = table["effect"].to_numpy()
    rho = {name: _rank_correlation(effect[compared], column[compared]) for name, column in columns.items()}
    table = table.assign(**columns)
    table.attrs.update(rank_correlation=rho, reads=reads, gradient_of=found.title, left_out=left_out)
    return table


def _stages(progress: Progress | None) -> dict[str, Progress | None]:
    """Return what each part of a check calls as its progress: it counts the percent of all parts."""

    def stage(first: int, last: int) -> Progress | None:
        if progress is None:
            return None
        return lambda done, total: progress(first + (last - first) * done // max(total, 1), 100)

    return {name: stage(*part) for name, part in STAGES.items()}


@dataclass(frozen=True)
class _Read:
    """The attention of a trace, the same times its gradient, and the positions at which the answer is read."""

    att: Attention
    gradient: Attention
    reads: tuple[int, ...]

    def importances(self, weigh: Callable[[], Attention]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Return the importance of each key by each method, and why some have none; `weigh` gives the weighted map."""
        makers: dict[str, Callable[[], np.ndarray]] = {
            "attention": lambda: self._last(self.att),
            "value-weighted": lambda: self._last(weigh()),
            "rollout": lambda: self._last(rollout(self.att)),
            "flow": self._flow,
            "gradient": self._gradient,
        }
        columns, left_out = {}, {}
        for name, make in makers.items():
            try:
                columns[name] = make()
            except HeadlightError as refusal:
                columns[name], left_out[name] = np.full(self.att.n_key, np.nan), str(refusal)
        return columns, left_out

    def _last(self, att: Attention) -> np.ndarray:
        rows = att.layer(att.n_layers - 1, queries=list(self.reads))
        return rows.mean((0, 1), dtype=np.float64)

    def _flow(self) -> np.ndarray:
        method = METHODS["flow"]
        whole = method.estimate(self.att)
        seconds = whole.seconds * len(self.reads) / self.att.n_query / self.att.n_layers
        admit(
            method.title, Estimate(whole.n_tokens, whole.n_bytes, seconds), method.remedy, Budget(seconds=FLOW_SECONDS)
        )
        return self._last(attention_flow(self.att))

    def _gradient(self) -> np.ndarray:
        if self.att.kind == "cross":
            return self._last(self.gradient)
        layers = roll_out(self.gradient)
        return self._last(self.gradient.derived(layers, "gradient", ()))


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rho, NaN where it is not defined."""
    from scipy.stats import spearmanr  # here, since it takes half a second to import

    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < 3 or np.ptp(first[known]) == 0 or np.ptp(second[known]) == 0:
        return float("nan")
    return float(spearmanr(first[known], second[known]).statistic)
