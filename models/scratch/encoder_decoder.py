"""The encoder-decoder of models/scratch/layers.py with embeddings and an output layer, as a model of transformers."""

from __future__ import annotations

from typing import Any, no_type_check

import torch
from jaxtyping import Int
from torch import Tensor, nn
from transformers.modeling_outputs import Seq2SeqLMOutput

from models.scratch.layers import Decoder, DecoderLayer, EncoderDecoder, causal_mask
from models.scratch.networks import Network, ScratchEncoderConfig, key_mask


@no_type_check
class ScratchEncoderDecoderConfig(ScratchEncoderConfig):
    """Sizes of an encoder-decoder; both stacks have as many layers."""

    model_type = "headlight_encoder_decoder"

    is_encoder_decoder: bool = True
    decoder_start_token_id: int | None = None


class ScratchEncoderDecoder(Network):
    """A text in, another text out: the whole of figure 1. Source, target and output share one vocabulary."""

    config_class = ScratchEncoderDecoderConfig

    def __init__(self, config: ScratchEncoderDecoderConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = self._positions()
        decoder_layers = [DecoderLayer(**self._layer_options()) for _ in range(config.num_hidden_layers)]
        self.stacks = EncoderDecoder(self._encoder(), Decoder(decoder_layers, self._last_norm()))
        self.output = nn.Linear(config.hidden_size, config.n_outputs)
        self._use_interface()
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
        """Return logits `[batch, query, n_outputs]` of the token after each token that the decoder reads."""
        source, target = (
            self.positions(self.embedding(ids) * self.config.hidden_size**0.5) for ids in (input_ids, decoder_input_ids)
        )
        mask = causal_mask(target.shape[1], target.device)[None, None]
        x, encoder, decoder, cross = self.stacks(source, target, key_mask(attention_mask), mask)
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
        """Return the text that the model generates greedily: the start token, then the likeliest token each time.

        A finished row is padded with the end token. Other options of transformers' `generate` have no effect.
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
