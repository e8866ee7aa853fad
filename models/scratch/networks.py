"""The encoder of models/scratch/layers.py with embeddings and an output layer (section 3.4), a model of transformers.

So it is saved, loaded, refused, verified and traced like any other model, without special code in `load_model`.
A configuration names its sizes as transformers does. `task` is the name of the task that the model was trained on.
"""

from __future__ import annotations

from typing import Any, no_type_check

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import MaskedLMOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from models.scratch.layers import (
    Attend,
    Encoder,
    EncoderLayer,
    LearnedPositions,
    MultiHeadAttention,
    RotaryPositions,
    SinusoidalPositions,
    causal_mask,
    scaled_dot_product_attention,
)

POSITIONS = ("sinusoidal", "learned", "rotary")
# `no_type_check` below: transformers turns these classes into dataclasses that accept more than their fields, which the
# type checks of the tests would refuse.


@no_type_check
class ScratchEncoderConfig(PreTrainedConfig):
    """Sizes of an encoder over tokens; `is_causal` makes it a decoder-only model.

    `n_values` tokens from `first_value` on represent the numbers 0 to 1 (values of a signal), see `ValueEmbedding`.
    """

    model_type = "headlight_encoder"

    task: str = ""
    vocab_size: int = 32
    n_outputs: int = 32
    hidden_size: int = 64
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int = 256
    max_position_embeddings: int = 64
    dropout: float = 0.0
    positions: str = "learned"
    norm_first: bool = True
    is_causal: bool = False
    first_value: int = 0
    n_values: int = 0


class Network(PreTrainedModel):
    """The common part of the networks: initial weights, stacks, and attention by transformers' attention interface."""

    config_class: type[PreTrainedConfig] = ScratchEncoderConfig
    config: Any
    base_model_prefix = ""

    @property
    def task(self) -> str:
        """The name of the task that the model was trained on, "" if config.json gives none."""
        return self.config.task if isinstance(self.config.task, str) else ""

    _supports_sdpa = True
    _supports_attention_backend = True

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise a module as torch does: projections by Glorot and Bengio 2010."""
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=self.config.hidden_size**-0.5)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, (ValueEmbedding, Network)):
            for parameter in module.parameters(recurse=False):
                init.normal_(parameter, std=self.config.hidden_size**-0.5)

    def _layer_options(self) -> dict[str, Any]:
        config = self.config
        return {
            "d_model": config.hidden_size,
            "n_heads": config.num_attention_heads,
            "d_feedforward": config.intermediate_size,
            "dropout": config.dropout,
            "norm_first": config.norm_first,
            "rotary": RotaryPositions() if config.positions == "rotary" else None,
        }

    def _last_norm(self) -> nn.LayerNorm | None:
        return nn.LayerNorm(self.config.hidden_size) if self.config.norm_first else None

    def _encoder(self) -> Encoder:
        layers = [EncoderLayer(**self._layer_options()) for _ in range(self.config.num_hidden_layers)]
        return Encoder(layers, self._last_norm())

    def _positions(self) -> nn.Module:
        if self.config.positions == "sinusoidal":
            return SinusoidalPositions()
        if self.config.positions == "learned":
            return LearnedPositions(self.config.max_position_embeddings, self.config.hidden_size)
        if self.config.positions == "rotary":
            return nn.Identity()
        raise ValueError(f"{self.config.positions!r} is not an encoding of positions: choose one of {POSITIONS}.")

    def _use_interface(self) -> None:
        """Let every layer compute its attention with the function that the configuration names."""
        for part in self.modules():
            if isinstance(part, MultiHeadAttention):
                part.attend = _attend_by_config(self.config, part)


def _attend_by_config(config: PreTrainedConfig, module: nn.Module) -> Attend:
    def attend(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float
    ) -> tuple[Tensor, Tensor | None]:
        if config._attn_implementation in (None, "eager"):
            return scaled_dot_product_attention(query, key, value, mask, dropout)
        function = ALL_ATTENTION_FUNCTIONS[config._attn_implementation]
        output, _ = function(module, query, key, value, mask, dropout=dropout, is_causal=False)
        return output.transpose(1, 2), None

    return attend


class ValueEmbedding(nn.Module):
    """Token embeddings; a token that represents a number is embedded as a point on a line."""

    def __init__(self, config: ScratchEncoderConfig) -> None:
        super().__init__()
        self.first, self.n_values = config.first_value, config.n_values
        self.tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.direction = nn.Parameter(torch.empty(config.hidden_size))
        self.origin = nn.Parameter(torch.empty(config.hidden_size))

    def forward(self, ids: Int[Tensor, "batch position"]) -> Float[Tensor, "batch position d_model"]:
        """Return the vectors of tokens and numbers."""
        number = ids - self.first
        is_value = (number >= 0) & (number < self.n_values)
        coordinate = (2.0 * number / max(1, self.n_values - 1) - 1)[..., None].to(self.direction.dtype)
        return torch.where(is_value[..., None], self.origin + coordinate * self.direction, self.tokens(ids))


class ScratchEncoder(Network):
    """Tokens in, an output at each position: labels, the next token, or a value."""

    def __init__(self, config: ScratchEncoderConfig) -> None:
        super().__init__(config)
        self.embedding = (
            ValueEmbedding(config) if config.n_values else nn.Embedding(config.vocab_size, config.hidden_size)
        )
        self.positions = self._positions()
        self.encoder = self._encoder()
        self.output = nn.Linear(config.hidden_size, config.n_outputs)
        self._use_interface()
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return what maps token ids to vectors."""
        return self.embedding.tokens if isinstance(self.embedding, ValueEmbedding) else self.embedding

    @property
    def continues(self) -> bool:
        """Whether its output at the last position is the next value, so that it can continue a signal."""
        return bool(self.config.is_causal and self.config.n_values)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Int[Tensor, "batch position"],
        attention_mask: Int[Tensor, "batch position"] | None = None,
        max_new_tokens: int = 1,
        **options: Any,
    ) -> Int[Tensor, "batch longer"]:
        """Return a signal with the next values, each rounded to the nearest number that has a token.

        Raises:
            ValueError: the network does not predict values.
        """
        if not self.continues:
            raise ValueError("this network does not continue a signal")
        largest = self.config.n_values - 1
        for _ in range(max_new_tokens):
            last = self(input_ids).logits[:, -1] * largest
            input_ids = torch.cat([input_ids, last.round().clamp(0, largest).long() + self.config.first_value], dim=1)
        return input_ids

    def forward(
        self,
        input_ids: Int[Tensor, "batch position"],
        attention_mask: Int[Tensor, "batch position"] | None = None,
        output_attentions: bool = False,
    ) -> MaskedLMOutput:
        """Return logits `[batch, position, n_outputs]`, and with `output_attentions` in eager attention the weights."""
        mask = key_mask(attention_mask)
        if self.config.is_causal:
            causal = causal_mask(input_ids.shape[1], input_ids.device)[None, None]
            mask = causal if mask is None else causal & mask
        x = self.positions(self.embedding(input_ids) * self.config.hidden_size**0.5)
        x, weights = self.encoder(x, mask)
        return MaskedLMOutput(logits=self.output(x), attentions=tuple(weights) if output_attentions else None)


def key_mask(attention_mask: Tensor | None) -> Tensor | None:
    """Return the mask `[batch, 1, 1, key]` of a padded batch, None if nothing is padded."""
    if attention_mask is None or bool((attention_mask != 0).all()):
        return None
    return (attention_mask != 0)[:, None, None]
