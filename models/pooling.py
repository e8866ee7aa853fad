"""How the hidden states of a text become its sentence embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

WAYS = ("cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken")


@dataclass(frozen=True)
class Pooling:
    """Some of `WAYS`, which are joined, and whether the length of the result becomes 1.

    The names are those of sentence-transformers.
    "mean_sqrt_len" is the sum divided by the square root of the number of tokens, "weightedmean" the mean in which the
    first token counts once, the second one twice, and so on.
    """

    ways: tuple[str, ...] = ("mean",)
    normalise: bool = False

    def pool(self, hidden: Float[Tensor, "token d_model"], masked: Sequence[int] = ()) -> Float[Tensor, " d"]:
        """Return the sentence embedding in float32, on the CPU. Masked tokens count in no mean and no maximum."""
        found = self.join(hidden.detach(), masked)
        return found / found.norm().clamp(min=1e-12) if self.normalise else found

    def join(self, hidden: Float[Tensor, "token d_model"], masked: Sequence[int] = ()) -> Float[Tensor, " d"]:
        """Return the sentence embedding before its length becomes 1, with a gradient if the hidden states have one."""
        hidden = hidden.float().cpu()
        kept = torch.ones(len(hidden), 1, dtype=torch.float32, device="cpu")
        kept[[position for position in masked if position < len(hidden)]] = 0
        return torch.cat([_pool_one(way, hidden, kept) for way in self.ways])


MEAN = Pooling()


def _pool_one(way: str, hidden: Tensor, kept: Tensor) -> Tensor:
    if way == "cls":
        return hidden[0]
    if way == "lasttoken":
        return hidden[-1]
    if way == "max":
        return hidden.masked_fill(kept == 0, -torch.inf).amax(0)
    if way == "weightedmean":
        kept = kept * torch.arange(1, len(kept) + 1, dtype=torch.float32, device="cpu")[:, None]
    count = kept.sum().clamp(min=1e-9)
    return (hidden * kept).sum(0) / (count.sqrt() if way == "mean_sqrt_len" else count)
