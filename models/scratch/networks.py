"""The stacks of models/scratch/layers.py with embeddings and an output layer (section 3.4), as models of transformers.

As such they are saved, loaded, refused, proven and traced like any other model: `load_model` knows no difference.
A configuration names its sizes as transformers does. `task` is the name of the task that the model was trained on.
"""

from __future__ import annotations

from typing import Any, no_type_check

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.modeling_outputs import MaskedLMOutput, Seq2SeqLMOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from models.scratch.layers import (
    Attend,
    Decoder,
    DecoderLayer,
    Encoder,
    EncoderDecoder,
    EncoderLayer,
    LearnedPositions,
    MultiHeadAttention,
    RotaryPositions,
    SinusoidalPositions,
    causal_mask,
    scaled_dot_product_attention,
)

POSITIONS = ("sinusoidal", "learned", "rotary")
# `no_type_check` below: transformers makes these dataclasses that take more than their fields, which the check of
# named axes in the tests would refuse.


@no_type_check
class ScratchEncoderConfig(PreTrainedConfig):
    """Sizes of an encoder over tokens; `is_causal` makes it a decoder-only model.

    `n_values` tokens from `first_value` on stand for the numbers 0 to 1 (a signal's values) and are embedded as such.
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


@no_type_check
class ScratchEncoderDecoderConfig(ScratchEncoderConfig):
    """Sizes of an encoder-decoder; both stacks have as many layers."""

    model_type = "headlight_encoder_decoder"

    is_encoder_decoder: bool = True
    decoder_start_token_id: int | None = None


class Network(PreTrainedModel):
    """What the three have in common: how they start, and that their attention can be looked at."""

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
        """Start as torch's own modules start: Glorot and Bengio 2010 for projections."""
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
        raise ValueError(f"{self.config.positions!r} is no encoding of positions: choose one of {POSITIONS}.")

    def _put_on_interface(self) -> None:
        """Let the attention of every layer be computed by the function that the configuration names."""
        for part in self.modules():
            if isinstance(part, MultiHeadAttention):
                part.attend = _by_configuration(self.config, part)


def _by_configuration(config: PreTrainedConfig, module: nn.Module) -> Attend:
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
    """Tokens by their vector, but tokens that are numbers by a direction and how far along it."""

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
        along = (2.0 * number / max(1, self.n_values - 1) - 1)[..., None].to(self.direction.dtype)
        return torch.where(is_value[..., None], self.origin + along * self.direction, self.tokens(ids))


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
        self._put_on_interface()
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return what maps token ids to vectors."""
        return self.embedding.tokens if isinstance(self.embedding, ValueEmbedding) else self.embedding

    @property
    def continues(self) -> bool:
        """Whether what it says at the last position is the next value, so that it can go on by itself."""
        return bool(self.config.is_causal and self.config.n_values)

    @torch.no_grad()
    def generate(
        self,
        input_ids: Int[Tensor, "batch position"],
        attention_mask: Int[Tensor, "batch position"] | None = None,
        max_new_tokens: int = 1,
        **options: Any,
    ) -> Int[Tensor, "batch longer"]:
        """Return a signal with the values that follow, each rounded to the nearest number that there is.

        Raises:
            ValueError: the network does not say values.
        """
        if not self.continues:
            raise ValueError("this network answers, it does not continue")
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
        """Return logits `[batch, position, n_outputs]`, and weights if asked for in eager attention."""
        mask = _key_mask(attention_mask)
        if self.config.is_causal:
            causal = causal_mask(input_ids.shape[1], input_ids.device)[None, None]
            mask = causal if mask is None else causal & mask
        x = self.positions(self.embedding(input_ids) * self.config.hidden_size**0.5)
        x, weights = self.encoder(x, mask)
        return MaskedLMOutput(logits=self.output(x), attentions=tuple(weights) if output_attentions else None)


def _key_mask(attention_mask: Tensor | None) -> Tensor | None:
    if attention_mask is None or bool((attention_mask != 0).all()):
        return None
    return (attention_mask != 0)[:, None, None]


class ScratchEncoderDecoder(Network):
    """A text in, another out: figure 1 of the paper whole. Source, target and output share one vocabulary."""

    config_class = ScratchEncoderDecoderConfig

    def __init__(self, config: ScratchEncoderDecoderConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = self._positions()
        decoder_layers = [DecoderLayer(**self._layer_options()) for _ in range(config.num_hidden_layers)]
        self.stacks = EncoderDecoder(self._encoder(), Decoder(decoder_layers, self._last_norm()))
        self.output = nn.Linear(config.hidden_size, config.n_outputs)
        self._put_on_interface()
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return what maps token ids to vectors."""
        return self.embedding

    def forward(
        self,
        input_ids: Int[Tensor, "batch key"],
        decoder_input_ids: Int[Tensor, "batch query"],
        attention_mask: Int[Tensor, "batch key"] | None = None,
        output_attentions: bool = False,
    ) -> Seq2SeqLMOutput:
        """Return logits `[batch, query, n_outputs]` of the token after each that the decoder reads."""
        source, target = (
            self.positions(self.embedding(ids) * self.config.hidden_size**0.5) for ids in (input_ids, decoder_input_ids)
        )
        mask = causal_mask(target.shape[1], target.device)[None, None]
        x, encoder, decoder, cross = self.stacks(source, target, _key_mask(attention_mask), mask)
        return Seq2SeqLMOutput(
            logits=self.output(x),
            encoder_attentions=tuple(encoder) if output_attentions else None,
            decoder_attentions=tuple(decoder) if output_attentions else None,
            cross_attentions=tuple(cross) if output_attentions else None,
        )

    @torch.no_grad()
    def generate(
        self,
        input_ids: Int[Tensor, "batch key"],
        attention_mask: Int[Tensor, "batch key"] | None = None,
        max_new_tokens: int = 24,
        **options: Any,
    ) -> Int[Tensor, "batch query"]:
        """Return what the model writes, greedily: the start, then the likeliest token again and again.

        A row that has come to its end is filled with the end. Other options of transformers' `generate` are not for
        this model and are left alone.
        """
        start, end = self.config.decoder_start_token_id, self.config.eos_token_id
        ids = torch.full((len(input_ids), 1), start, device=input_ids.device)
        for _ in range(min(max_new_tokens, self.config.max_position_embeddings - 1)):
            last = self(input_ids, ids, attention_mask).logits[:, -1].argmax(-1)
            last[(ids == end).any(1)] = end
            ids = torch.cat([ids, last[:, None]], dim=1)
            if bool((ids == end).any(1).all()):
                break
        return ids


AutoConfig.register(ScratchEncoderConfig.model_type, ScratchEncoderConfig)
AutoConfig.register(ScratchEncoderDecoderConfig.model_type, ScratchEncoderDecoderConfig)
AutoModel.register(ScratchEncoderConfig, ScratchEncoder)
AutoModelForSeq2SeqLM.register(ScratchEncoderDecoderConfig, ScratchEncoderDecoder)
