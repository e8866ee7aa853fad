"""Heads that are switched off or forced, and words that are struck out, in each row of a batch (decision 28)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from models.capture.forced import PATTERNS, ForcedLayer
from models.capture.interventions import Place, Unchanged
from models.capture.replay import Replay
from models.errors import BadSelection

# What a head's output is replaced by; the other ways force its weights.
REPLACED = ("zero", "mean")
WAYS = (*REPLACED, *PATTERNS)
# How many weights of a forced head are computed at once: 16 MB.
_STRIP = 2**22


@dataclass(frozen=True)
class Change:
    """What one row of a batch changes: how each head is changed, by role, layer and number, and the masked positions.

    `lengths` has for each role how many of the row's queries are not padding; without it, all are.
    """

    heads: Mapping[tuple[str, int, int], str]
    masked: tuple[int, ...] = ()
    lengths: Mapping[str, int] | None = None


class Ablation(Unchanged):
    """The changes of each row of a batch; `causal` are the roles in which a position must not know the later ones."""

    def __init__(self, rows: Sequence[Change], causal: frozenset[str]) -> None:
        self.rows = tuple(rows)
        self.causal = causal
        self._at: dict[tuple[str, int], list[tuple[int, int, str]]] = defaultdict(list)
        self._hidden: dict[int, Tensor] = {}
        for row, change in enumerate(rows):
            for (role, layer, head), how in change.heads.items():
                self._at[role, layer].append((row, head, how))

    def hidden_keys(self, place: Place, n_key: int) -> Bool[Tensor, "row key"] | None:
        """Return the masked positions of each row: those of the text, so a decoder's own positions never."""
        if place.role == "decoder" or not any(change.masked for change in self.rows):
            return None
        if n_key not in self._hidden:
            hidden = torch.zeros(len(self.rows), n_key, dtype=torch.bool, device="cpu")
            for row, change in enumerate(self.rows):
                check_masked(change.masked, n_key)
                hidden[row, list(change.masked)] = True
            self._hidden[n_key] = hidden
        return self._hidden[n_key]

    def change_output(self, place: Place, replays: Sequence[Replay], value: Tensor, output: Tensor) -> Tensor:
        """Return the output with the changed heads' parts replaced.

        Raises:
            BadSelection: this layer has fewer heads than a change names.
        """
        changes = self._at.get((place.role, place.layer))
        if not changes:
            return output
        output = output.clone()
        for row, head, how in changes:
            if row >= len(output):  # of a batch that grows (models/capture/growing.py): it is added later
                continue
            if head >= output.shape[2]:
                raise BadSelection(
                    f"There is no head {head}: layer {place.layer} has heads 0 to {output.shape[2] - 1}."
                )
            if how == "zero":
                output[row, :, head] = 0
            elif how == "mean":
                output[row, :, head] = self._mean(place, row, output[row, :, head])
            else:
                kv_head = head // (output.shape[2] // value.shape[1])
                output[row, :, head] = forced_output(replays[row], head, how, value[row, kv_head])
        return output

    def _mean(self, place: Place, row: int, output: Float[Tensor, "query d_value"]) -> Float[Tensor, "query d_value"]:
        """Return the mean over the text, or over the text so far, of positions that are neither masked nor padding."""
        change = self.rows[row]
        kept = torch.ones(len(output), 1, dtype=torch.float32, device=output.device)
        if change.lengths is not None:
            kept[change.lengths[place.role] :] = 0
        if place.role in ("self", "encoder"):
            kept[list(change.masked)] = 0
        values = output.float()
        if place.role not in self.causal:
            return ((values * kept).sum(0) / kept.sum().clamp(min=1)).to(output.dtype).expand_as(output)
        counts = kept.cumsum(0)
        means = (values * kept).cumsum(0) / counts.clamp(min=1)
        return torch.where(counts > 0, means, values).to(output.dtype)


def forced_output(
    replay: Replay, head: int, pattern: str, value: Float[Tensor, "key d_value"]
) -> Float[Tensor, "query d_value"]:
    """Return the output of a head that is forced into a pattern, a strip of rows at a time."""
    _, n_query, n_key = replay.shape
    layer, step = ForcedLayer(replay, ((head, pattern),)), max(1, _STRIP // n_key)
    strips = [
        layer.forced_rows(head, pattern, slice(start, min(start + step, n_query))).to(value.dtype) @ value
        for start in range(0, n_query, step)
    ]
    return torch.cat(strips)


def check_masked(masked: Sequence[int], n_positions: int) -> None:
    """Let masked positions through, in order, that a text has and that leave another one to read.

    Raises:
        BadSelection: there is no such position, or all are masked.
    """
    if masked and masked[-1] >= n_positions:
        raise BadSelection(
            f"There is no position {masked[-1]} to mask: the text has the positions 0 to {n_positions - 1}."
        )
    if len(masked) == n_positions:
        raise BadSelection(
            f"mask_tokens has all {n_positions} positions, so there is nothing left to read: leave one of them out."
        )
