"""The sizes of a network and the steps and seed of its training, refused in one sentence if they are not possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

from models.errors import BadSettings
from models.scratch.networks import POSITIONS

# Beyond these a training would take hours on a small machine.
_LARGEST = {
    "n_layers": 12,
    "n_heads": 32,
    "d_model": 512,
    "d_feedforward": 2048,
    "steps": 1_000_000,
    "batch_size": 4096,
}
_WORDS = {
    "n_layers": "layers",
    "n_heads": "heads",
    "d_model": "a width",
    "d_feedforward": "a feed-forward width",
    "steps": "steps",
    "batch_size": "samples in a batch",
}


# `no_type_check`: values come from command lines and files, and the class itself checks them.
@no_type_check
@dataclass(frozen=True)
class Settings:
    """Sizes as in the paper; `learning_rate` is the highest one, after a tenth of the steps, and then falls to 0."""

    n_layers: int = 2
    n_heads: int = 4
    d_model: int = 64
    d_feedforward: int = 256
    positions: str = "learned"
    norm_first: bool = True
    dropout: float = 0.0
    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Let settings through from which a network can be built.

        Raises:
            BadSettings: a value is not possible; the sentence gives the possible ones.
        """
        for name, maximum in _LARGEST.items():
            value = getattr(self, name)
            if not _is_whole(value) or not 1 <= value <= maximum:
                raise BadSettings(f"Choose {_WORDS[name]} from 1 to {maximum:,}, not {value!r:.40}.")
        if self.d_model % self.n_heads:
            divisors = [n for n in range(1, min(self.d_model, _LARGEST["n_heads"]) + 1) if self.d_model % n == 0]
            raise BadSettings(
                f"{self.n_heads} heads do not divide a width of {self.d_model}: choose "
                f"{', '.join(map(str, divisors[:-1]))} or {divisors[-1]} heads, or a multiple of {self.n_heads} as "
                "width."
                if len(divisors) > 1
                else f"{self.n_heads} heads do not divide a width of {self.d_model}: choose another width."
            )
        if self.positions not in POSITIONS:
            raise BadSettings(f"Choose positions from {', '.join(POSITIONS)}, not {self.positions!r:.40}.")
        if self.positions == "rotary" and self.d_model // self.n_heads % 2:
            raise BadSettings(
                f"Rotary positions rotate pairs of dimensions, and a head has {self.d_model // self.n_heads}, an odd "
                "number: choose fewer heads or an even width for each head."
            )
        if not isinstance(self.norm_first, bool):
            raise BadSettings(f"Choose True or False for norm_first, not {self.norm_first!r:.40}.")
        if not _is_number(self.dropout) or not 0 <= self.dropout < 1:
            raise BadSettings(f"Choose a dropout from 0 to below 1, not {self.dropout!r:.40}.")
        if not _is_number(self.learning_rate) or not 0 < self.learning_rate <= 1:
            raise BadSettings(f"Choose a learning rate above 0 and up to 1, not {self.learning_rate!r:.40}.")
        if not _is_whole(self.seed) or not 0 <= self.seed < 2**32:
            raise BadSettings(f"Choose a seed from 0 to {2**32 - 1:,}, not {self.seed!r:.40}.")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, float) or _is_whole(value)
