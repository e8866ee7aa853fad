"""What is known of a loaded model, and of a text as it reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from models.tokens import Token, TokenSequence
from models.trace import Source


@dataclass(frozen=True)
class Card:
    """What a visitor wants to know of a model before trusting its pictures.

    `modality` is "text" or "image", what the model reads; `writes` says whether it can continue a text; `task` names
    the task with a known truth that it was trained on (models/scratch/tasks), if it was. `sizes` says for each kind how
    many layers it has, and how many heads (the most of any layer, where layers differ: `Attention.heads_in`);
    `n_layers` and `n_heads` are those of the first kind.
    """

    name: str
    revision: str
    architecture: str
    n_layers: int
    n_heads: int
    n_parameters: int
    max_tokens: int | None
    device: str
    dtype: str
    kinds: tuple[str, ...]
    capture: str
    proof: float
    notices: tuple[str, ...] = ()
    modality: str = "text"
    writes: bool = False
    task: str = ""
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=lambda: MappingProxyType({}), hash=False)


@dataclass(frozen=True)
class Reading:
    """One text as the model reads it: tokens and ids, and those of its decoder."""

    source: Source
    sequence: TokenSequence
    notices: tuple[str, ...] = ()
    decoder_ids: tuple[int, ...] = ()
    decoder_tokens: tuple[Token, ...] = ()

    @property
    def n_tokens(self) -> int:
        """How many positions there are, the decoder's included."""
        return len(self.sequence.tokens) + len(self.decoder_tokens)
