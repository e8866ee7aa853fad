"""What one pass changes in the attention of a model: keys that nobody may attend to, and another output of a call.

The shared model is not changed. The recorder of the running request carries an `Intervention`, and our attention
function (models/capture/interface.py) asks it at each call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from models.capture.replay import Replay


@dataclass(frozen=True)
class Place:
    """An attention call in a pass: its role (one of `models.capture.forward.ROLES`), and its number in that role."""

    role: str
    layer: int


@runtime_checkable
class Intervention(Protocol):
    """What a pass changes. It is asked in the thread of the pass, at each recorded attention call, in order."""

    def hidden_keys(self, place: Place, n_key: int) -> Bool[Tensor, "row key"] | None:
        """Return which keys of each row nobody may attend to, on any device; None for no change.

        In self-attention, a position may still attend to itself. The mask is changed before anything is computed, so
        that weights, replays and output agree.
        """

    def change_output(self, place: Place, replays: Sequence[Replay], value: Tensor, output: Tensor) -> Tensor:
        """Return the output of a call, `[row, query, head, d_value]`, or another one of this shape.

        `replays` has what the weights of each row depend on, `value` is `[row, kv_head, key, d_value]`. The result may
        be `weights @ value` with weights that require a gradient.
        """


class Unchanged:
    """An intervention that changes nothing: the base of others."""

    def hidden_keys(self, place: Place, n_key: int) -> Bool[Tensor, "row key"] | None:
        """Return None."""
        del place, n_key
        return None

    def change_output(self, place: Place, replays: Sequence[Replay], value: Tensor, output: Tensor) -> Tensor:
        """Return the output."""
        del place, replays, value
        return output


def hide_keys(
    mask: Tensor | None, hidden: Bool[Tensor, "row key"], n_query: int, *, causal: bool, keep_own: bool
) -> Tensor:
    """Return a mask `[row, 1 or head, query, key]`, boolean or additive as the given one, in which keys are hidden.

    `causal` says what a missing mask means. With `keep_own` a position may still attend to itself.
    """
    n_key = hidden.shape[1]
    forbidden = hidden[:, None, None, :].expand(-1, -1, n_query, -1)
    if keep_own:
        forbidden = forbidden & ~torch.eye(n_query, n_key, dtype=torch.bool, device=hidden.device)
    if mask is None:
        return (
            ~forbidden & torch.ones(n_query, n_key, dtype=torch.bool, device=hidden.device).tril()
            if causal
            else ~forbidden
        )
    mask = mask[..., :n_key]  # a mask for a cache has more columns than there are keys
    if mask.dtype == torch.bool:
        return mask & ~forbidden
    return mask.masked_fill(forbidden, torch.finfo(mask.dtype).min)
