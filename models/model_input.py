"""One text as the model reads it, and whether the model has embeddings for its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from transformers import PreTrainedModel

from models.errors import BrokenModel, NoText
from models.patches import Patches
from models.tokens import Token, TokenSequence
from models.trace import Source


@dataclass(frozen=True)
class ModelInput:
    """One text as the model reads it: its tokens, and the ids and tokens that its decoder reads."""

    source: Source
    sequence: TokenSequence
    notices: tuple[str, ...] = ()
    decoder_ids: tuple[int, ...] = ()
    decoder_tokens: tuple[Token, ...] = ()
    # Of a model that reads a text with a picture: the picture as its forward reads it, its patches, and what is drawn.
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    patches: tuple[Patches, ...] = ()
    seen: UInt8[np.ndarray, "row column 3"] | None = None

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What the trace says of its attentions beside their tokens."""
        return {}

    @property
    def n_tokens(self) -> int:
        """The number of positions, including the decoder's."""
        return len(self.sequence.tokens) + len(self.decoder_tokens)

    def sides(self, kind: str) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
        """Return the tokens that attend in a kind of attention, and those that are attended to."""
        read = self.sequence.tokens
        decoder = self.decoder_tokens or read
        return {"encoder": (read, read), "decoder": (decoder, decoder), "cross": (self.decoder_tokens, read)}[kind]


def _count_embeddings(module: PreTrainedModel) -> int | None:
    """Return for how many ids a model has an embedding; None for those that compute it, such as CANINE."""
    try:
        return getattr(module.get_input_embeddings(), "num_embeddings", None)
    except NotImplementedError:
        return None


def check_given_ids(module: PreTrainedModel, ids: tuple[int, ...], name: str, n_known: int) -> None:
    """Let ids through that a model can read; `n_known` is the number of tokens of its tokenizer.

    Raises:
        NoText: one is larger.
    """
    maximum = (_count_embeddings(module) or n_known) - 1
    largest = max(ids)
    if largest > maximum:
        raise NoText(
            f"There is no token {largest:,} (at position {ids.index(largest):,}): {name} has the ids 0 to {maximum:,}."
        )


def check_ids(module: PreTrainedModel, tokens: tuple[Token, ...], name: str) -> None:
    """Let tokens through that the model has embeddings for.

    Raises:
        BrokenModel: the tokenizer gives a larger id.
    """
    n_embeddings = _count_embeddings(module)
    largest = max(tokens, key=lambda token: token.id)
    if n_embeddings is not None and largest.id >= n_embeddings:
        raise BrokenModel(
            f"The tokenizer gives {largest.display!r} the id {largest.id:,}, but {name} has only "
            f"{n_embeddings:,} embeddings: save the tokenizer it was trained with into its folder."
        )
