"""What a decoder reads: a target text, or a text that the model itself generates, greedily."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from models.capture.cost import memory_refusal
from models.errors import BrokenModel, NoText, short_message
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


def generate_ids(
    module: PreTrainedModel, inputs: Mapping[str, Tensor], n_tokens: int, name: str, *, first: int | None = None
) -> list[int]:
    """Return the ids `[token]` that a model generates greedily, at most `n_tokens`; a decoder's follow its input.

    `first` is the id of the first token after the start, such as the target's language.

    Raises:
        BrokenModel: the model cannot generate.
    """
    # No cache in encoder-decoders: it saves little on a few tokens, and T5's cache is too short if the decoder is
    # deeper than the encoder (5.23).
    options: dict[str, Any] = {"use_cache": False} if module.config.is_encoder_decoder else {}
    if first is not None:
        options["forced_bos_token_id"] = first
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
    module: PreTrainedModel, reader: TokenReader, target: str, name: str, **how: Any
) -> tuple[list[int], tuple[Token, ...], tuple[str, ...]]:
    """Return what the decoder reads for a target: the model's own shift of its labels, as ids and tokens, and notices.

    `how` are the fields of `models.encoding.HowToRead`.

    Raises:
        NoText: nothing in the target that the model can read.
        BrokenModel: the model does not say which token its decoder starts with, or cannot shift labels.
    """
    sequence = reader.tokenize(target, as_target=True, **how)
    ids = shift_labels(module, sequence.inputs["input_ids"], name)
    start, *others = reader.from_ids(ids)
    start = replace(start, special=True, word=None)
    if sequence.tokens[-1].id == start.id:  # a language that was moved to the front
        start = replace(start, text=sequence.tokens[-1].text, display=sequence.tokens[-1].display)
    # A token that moved one position to the right keeps its characters in the target text.
    moved = zip(others, sequence.tokens, strict=False)
    tokens = (start, *(before if before.id == token.id else token for token, before in moved))
    return ids, tokens, tuple(f"Target: {notice}" for notice in sequence.notices)


def shift_labels(module: PreTrainedModel, labels: list[int], name: str) -> list[int]:
    """Return the ids that a decoder reads if a model is trained with these labels, `[token]`.

    Raises:
        BrokenModel: the model does not say which token its decoder starts with, or cannot shift labels.
    """
    row = torch.tensor([labels], device=module.device)
    config = module.config
    pad, start = (getattr(config, key, None) for key in ("pad_token_id", "decoder_start_token_id"))
    own = getattr(module, "prepare_decoder_input_ids_from_labels", None)
    # Some families have only the function that their forward calls with these arguments.
    of_family = getattr(sys.modules.get(type(module).__module__), "shift_tokens_right", None)
    try:
        if own is not None:
            return own(labels=row)[0].tolist()
        if of_family is not None:
            return of_family(row, pad, start)[0].tolist()
    except (ValueError, TypeError, AttributeError, AssertionError, LookupError, RuntimeError) as error:
        log.info("the shift of %s", name, exc_info=True)
        if pad is None:
            raise BrokenModel(
                f"{name} does not say which token pads a target: add pad_token_id to its config.json."
            ) from error
        if start is not None:
            raise BrokenModel(
                f"{name} cannot shift a target for its decoder ({short_message(error)}): correct the special tokens "
                "in its config.json."
            ) from error
    # The family needs a start token that the configuration does not name: generation may know it.
    return [_start_id(module, name), *labels[:-1]]


def _start_id(module: PreTrainedModel, name: str) -> int:
    for config in (getattr(module, "generation_config", None), module.config):
        for key in ("decoder_start_token_id", "bos_token_id"):
            start = getattr(config, key, None)
            if start is not None:
                return int(start)
    raise BrokenModel(
        f"{name} does not say which token its decoder starts with: add decoder_start_token_id to its config.json."
    )
