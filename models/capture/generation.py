"""What a decoder reads: a target text, or a text that the model itself generates, greedily."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from models.capture.cost import memory_refusal
from models.errors import BrokenModel, NoText
from models.tokens import Token, TokenReader

log = logging.getLogger("headlight.models")

# How many tokens an encoder-decoder generates for its own decoder to read.
GENERATED_TOKENS = 24


def check_asked(name: str, is_encoder_decoder: bool, writes: bool, target: str | None, generate: int) -> None:
    """Let a request through if the decoder of the model can read the target or generate the continuation.

    `writes` says whether the model can continue a text.

    Raises:
        NoText: a target for a model without a decoder for it, a continuation of an encoder-decoder, both at once, or
            a negative number of tokens.
        BrokenModel: a continuation of a model without a language-model head.
    """
    if generate < 0:
        raise NoText(f"A continuation has 0 tokens or more, not {generate}: give another number.")
    if generate and target is not None:
        raise NoText("A decoder reads a target or generates a text: leave out the target or the continuation.")
    if target is not None and not is_encoder_decoder:
        raise NoText(f"{name} is not an encoder-decoder, so no part of it reads a target: leave the target out.")
    if generate and is_encoder_decoder:
        raise NoText(
            f"{name} is an encoder-decoder: without a target its decoder reads the text that it generates, at most "
            f"{GENERATED_TOKENS} tokens, so leave the continuation out."
        )
    if generate and not writes:
        raise BrokenModel(
            f"{name} has no language-model head, so it cannot continue a text: "
            "leave the continuation out, or load a checkpoint saved with its head (ForCausalLM)."
        )


def shortfall_notice(n_new: int, n_asked: int, maximum: int, room: int) -> str:
    """Return the sentence on why a continuation has fewer tokens than were asked for."""
    if n_new < min(maximum, room, n_asked):
        why = "the model ended its text there"
    elif room < maximum:
        why = "the model cannot read more at once"
    else:
        why = f"{maximum} is the maximum for a continuation"
    return f"Of {n_asked:,} tokens that were asked for, the model generated {n_new:,}: {why}."


def generate_ids(module: PreTrainedModel, inputs: Mapping[str, Tensor], n_tokens: int, name: str) -> list[int]:
    """Return the ids `[token]` that a model generates greedily, at most `n_tokens`; a decoder's follow its input.

    Raises:
        BrokenModel: the model cannot generate.
    """
    # No cache in encoder-decoders: it saves little on a few tokens, and T5's cache is too short if the decoder is
    # deeper than the encoder (5.23).
    options = {"use_cache": False} if module.config.is_encoder_decoder else {}
    try:
        generate: Any = module.generate
        with memory_refusal(inputs["input_ids"].shape[1] + n_tokens):
            generated = generate(**inputs, max_new_tokens=n_tokens, do_sample=False, num_beams=1, **options)
    except (ValueError, TypeError, AttributeError, LookupError, RuntimeError) as error:
        log.exception("generating with %s", name)
        remedy = (
            "give a target text"
            if module.config.is_encoder_decoder
            else "leave the continuation out, or load a checkpoint saved with its language-model head (ForCausalLM)"
        )
        raise BrokenModel(f"{name} cannot generate a text for its decoder to read: {remedy}.") from error
    return generated[0].tolist()


def shift_right(
    module: PreTrainedModel, reader: TokenReader, target: str, name: str
) -> tuple[list[int], tuple[Token, ...], tuple[str, ...]]:
    """Return what the decoder reads for a target: the start token and the target without its end, and notices.

    Raises:
        NoText: nothing in the target that the model can read.
        BrokenModel: the model does not say which token its decoder starts with.
    """
    sequence = reader.tokenize(target, as_target=True)
    labels = torch.tensor([sequence.inputs["input_ids"]], device=module.device)
    shift = getattr(module, "prepare_decoder_input_ids_from_labels", None)
    if shift is not None and module.config.decoder_start_token_id is not None:
        ids = shift(labels=labels)
    else:
        ids = torch.cat([torch.full_like(labels[:, :1], _start_id(module, name)), labels[:, :-1]], dim=1)
    decoder_tokens = reader.from_ids(ids[0].tolist())
    # A token that moved one position to the right keeps its characters in the target text.
    tokens = tuple(
        previous if previous.id == token.id else token
        for token, previous in zip(decoder_tokens, (decoder_tokens[0], *sequence.tokens), strict=False)
    )
    return ids[0].tolist(), tokens, tuple(f"Target: {notice}" for notice in sequence.notices)


def _start_id(module: PreTrainedModel, name: str) -> int:
    for config in (getattr(module, "generation_config", None), module.config):
        for key in ("decoder_start_token_id", "bos_token_id"):
            start = getattr(config, key, None)
            if start is not None:
                return int(start)
    raise BrokenModel(
        f"{name} does not say which token its decoder starts with: add decoder_start_token_id to its config.json."
    )
