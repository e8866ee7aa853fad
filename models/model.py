"""A loaded model that traces: text in, `AttentionTrace` out."""

from __future__ import annotations

import inspect
import logging
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from models.capture import Call, recording
from models.errors import BrokenModel, NoAttention, NotEnoughMemory
from models.memory import admit
from models.tokens import Token, TokenReader
from models.trace import Attention, AttentionTrace, Held, Layer, Replay, Source

log = logging.getLogger("headlight.models")

GENERATED_TOKENS = 24
_CROSS = re.compile(r"cross|encoder_attn|encdec", re.IGNORECASE)
# Two forward passes at once on a small machine only slow each other down.
_forward_pass = threading.Semaphore(1)


@dataclass(frozen=True)
class Card:
    """What a visitor wants to know of a model before trusting its pictures."""

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


class Model:
    """A transformer in eval mode, shared by all visitors and never changed by a trace.

    Made by `load_model`. `card.capture` says how weights are had: "replayed" from q and k, or "materialised" by the
    model itself (`output_attentions`) for families that are not on the attention interface.
    """

    def __init__(
        self, module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, card: Card, *, bytes_per_pair: int = 2
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.card = card
        self._bytes_per_pair = bytes_per_pair
        self._reader = TokenReader(tokenizer, card.max_tokens)

    def __repr__(self) -> str:
        card = self.card
        return f"Model({card.name!r}, {card.n_layers} layers x {card.n_heads} heads, {'/'.join(card.kinds)})"

    def trace(self, text: str, *, text_pair: str | None = None, target: str | None = None) -> AttentionTrace:
        """Return the attention of one forward pass over `text`.

        `text_pair` is a second segment (BERT's sentence pairs). `target` is the text that an encoder-decoder's
        decoder reads; without it the decoder reads its own short greedy generation.

        Raises:
            NoText: nothing in the text that the model can read.
            NotEnoughMemory: the trace would not fit; the sentence holds the estimate.
            BrokenModel: the tokenizer gives an id that the model has no embedding for, or the model cannot generate.
        """
        sequence = self._reader.read(text, text_pair)
        notices = list(sequence.notices)
        inputs = model_inputs(self.module, sequence.inputs)
        encoder_tokens = decoder_tokens = sequence.tokens
        check_ids(self.module, sequence.tokens, self.card.name)
        self._admit(len(sequence.tokens))
        with _forward_pass, torch.inference_mode(), _memory_refusal(len(sequence.tokens)):
            if self.module.config.is_encoder_decoder:
                if target is None:
                    decoder_ids, decoder_tokens = self._generated(inputs)
                    notices.append("The decoder reads what the model itself generates, greedily; give a target text.")
                else:
                    decoder_ids, decoder_tokens, cut = self._read_target(target)
                    check_ids(self.module, decoder_tokens, self.card.name)
                    notices.extend(f"Target: {notice}" for notice in cut)
                self._admit(len(sequence.tokens), len(decoder_tokens))
                inputs["decoder_input_ids"] = decoder_ids
            capture = replayed_layers if self.card.capture == "replayed" else materialised_layers
            layers = capture(self.module, inputs)
        source = Source(
            self.card.name,
            self.card.revision,
            self.card.architecture,
            self.card.device,
            self.card.dtype,
            self.card.capture,
            text,
            text_pair,
            target,
        )
        tokens = {
            "encoder": (encoder_tokens, encoder_tokens),
            "decoder": (decoder_tokens, decoder_tokens),
            "cross": (decoder_tokens, encoder_tokens),
        }
        attentions = {}
        for kind, found in zip(self.card.kinds, in_order(layers), strict=True):
            attentions[kind] = Attention(kind, found, *tokens[kind], source)
        return AttentionTrace(attentions, tuple(notices), source)

    def _admit(self, n_tokens: int, n_target: int = 0) -> None:
        config = self.module.config.get_text_config()
        width, n_layers = config.hidden_size, self.card.n_layers
        n_all = n_tokens + n_target
        n_bytes = 4 * n_all * width * (2 * n_layers + 16) + n_all**2 * self._bytes_per_pair
        admit(n_bytes, f"Tracing {n_all:,} tokens", "shorten the text or choose a smaller model")

    def _generated(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, tuple[Token, ...]]:
        # No cache: it saves little on so few tokens, and T5's is too short where the decoder is deeper (5.23).
        most = min(GENERATED_TOKENS, (self.card.max_tokens or GENERATED_TOKENS + 1) - 1)
        try:
            generate: Any = self.module.generate
            generated = generate(**inputs, max_new_tokens=most, do_sample=False, num_beams=1, use_cache=False)
        except (ValueError, TypeError, AttributeError, IndexError) as error:
            log.exception("generating with %s", self.card.name)
            raise BrokenModel(
                f"{self.card.name} cannot generate a text for its decoder to read: give a target text."
            ) from error
        ids = generated[:, :-1] if generated.shape[1] > 2 else generated
        return ids, self._reader.from_ids(ids[0].tolist())

    def _read_target(self, target: str) -> tuple[torch.Tensor, tuple[Token, ...], tuple[str, ...]]:
        sequence = self._reader.read(target, as_target=True)
        labels = torch.tensor([sequence.inputs["input_ids"]], device=self.module.device)
        shift = getattr(self.module, "prepare_decoder_input_ids_from_labels", None)
        if shift is not None and self.module.config.decoder_start_token_id is not None:
            ids = shift(labels=labels)
        else:
            ids = torch.cat([torch.full_like(labels[:, :1], self._start_id()), labels[:, :-1]], dim=1)
        plain = self._reader.from_ids(ids[0].tolist())
        # Shifted right by one, a token keeps the place in the target text that it had before.
        tokens = tuple(
            previous if previous.id == token.id else token
            for token, previous in zip(plain, (plain[0], *sequence.tokens), strict=False)
        )
        return ids, tokens, sequence.notices

    def _start_id(self) -> int:
        for config in (self.module.generation_config, self.module.config):
            for name in ("decoder_start_token_id", "bos_token_id"):
                start = getattr(config, name, None)
                if start is not None:
                    return int(start)
        raise BrokenModel(
            f"{self.card.name} does not say which token its decoder starts with: "
            "add decoder_start_token_id to its config.json."
        )


def bytes_per_pair(layers: dict[str, list[Layer]]) -> int:
    """Return about how many bytes each pair of positions costs while a text is traced, from one short trace.

    Next to nothing (a mask) where weights are replayed, but relative position biases (T5) are `[head, query, key]`,
    with integer distances and copies on the way, and held weights are one such array per layer.
    """
    every = [layer for found in layers.values() for layer in found]
    n_held = sum(layer.shape[0] for layer in every if isinstance(layer, Held))
    biases = {
        layer.bias.data_ptr(): layer.bias for layer in every if isinstance(layer, Replay) and layer.bias is not None
    }
    n_biased = sum(bias.shape[0] for bias in biases.values())
    held_bytes = 4 * (n_held + 3 * max(layer.shape[0] for layer in every)) if n_held else 0
    return 2 + held_bytes + (40 + 16 * n_biased if n_biased else 0)


@contextmanager
def _memory_refusal(n_tokens: int) -> Iterator[None]:
    """Turn an allocation that failed in spite of the estimate into a refusal.

    Raises:
        NotEnoughMemory: torch or Python could not allocate.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        failed = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)
        if not failed and "allocate memory" not in str(error):
            raise
        log.exception("out of memory at %d tokens", n_tokens)
        raise NotEnoughMemory(
            f"Tracing {n_tokens:,} tokens took more memory than is free: shorten the text or choose a smaller model."
        ) from error


def check_ids(module: PreTrainedModel, tokens: tuple[Token, ...], name: str) -> None:
    """Let tokens through that the model has embeddings for.

    Raises:
        BrokenModel: the tokenizer counts further than the model.
    """
    n_embeddings = getattr(module.get_input_embeddings(), "num_embeddings", None)
    largest = max(tokens, key=lambda token: token.id)
    if n_embeddings is not None and largest.id >= n_embeddings:
        raise BrokenModel(
            f"The tokenizer gives {largest.display!r} the id {largest.id:,}, but {name} has only "
            f"{n_embeddings:,} embeddings: save the tokenizer it was trained with into its folder."
        )


def model_inputs(module: nn.Module, encoded: Mapping[str, list[int]]) -> dict[str, torch.Tensor]:
    """Return a tokenizer's lists as tensors `[1, token]`, only those that the model takes by name.

    A tokenizer may give token types to a model that has none (Llama's, DistilBERT's).
    """
    taken = inspect.signature(module.forward).parameters
    device = next(module.parameters()).device
    return {name: torch.tensor([values], device=device) for name, values in encoded.items() if name in taken}


def _options(module: nn.Module) -> dict[str, bool]:
    # A cache would hold a second copy of every key and value during the only pass there is.
    return {"use_cache": False} if "use_cache" in inspect.signature(module.forward).parameters else {}


def in_order(layers: dict[str, list[Layer]]) -> list[list[Layer]]:
    """Return the layers of each role in the order in which kinds are named."""
    return [layers[role] for role in ("self", "encoder", "decoder", "cross") if layers.get(role)]


def replayed_layers(
    module: PreTrainedModel, inputs: dict[str, torch.Tensor], *, through_weights: bool = False
) -> dict[str, list[Layer]]:
    """Run one forward pass and return what each layer's weights depend on.

    The roles are "self", or "encoder", "decoder" and "cross".
    """
    with recording(through_weights=through_weights) as calls:
        module(**inputs, **_options(module))
    names = {id(part): name for name, part in module.named_modules()}
    layers: dict[str, list[Layer]] = defaultdict(list)
    for call in calls:
        role = _role(names.get(id(call.module), ""), call, encoder_decoder=module.config.is_encoder_decoder)
        layers[role].append(call.replay.cpu())
    return layers


def _role(name: str, call: Call, *, encoder_decoder: bool) -> str:
    if not encoder_decoder:
        return "self"
    if _CROSS.search(name) or _CROSS.search(type(call.module).__name__):
        return "cross"
    return "decoder" if "decoder" in name else "encoder"


def materialised_layers(module: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> dict[str, list[Layer]]:
    """Run one forward pass in eager attention and return each layer's weights, by the same roles.

    Raises:
        NoAttention: the pass gave no attention weights.
    """
    output = module(**inputs, **_options(module), output_attentions=True)
    fields = {
        "self": "attentions",
        "encoder": "encoder_attentions",
        "decoder": "decoder_attentions",
        "cross": "cross_attentions",
    }
    layers: dict[str, list[Layer]] = {}
    for role, field in fields.items():
        # Hybrid models have layers without attention weights between those that have some.
        held = [weights[0].cpu() for weights in getattr(output, field, None) or () if weights is not None]
        if held:
            layers[role] = [Held(weights, _looks_causal(weights)) for weights in held]
    if not layers:
        raise NoAttention(no_attention(module))
    return layers


def _looks_causal(weights: torch.Tensor) -> bool:
    _, n_query, n_key = weights.shape
    return n_query == n_key and n_query > 1 and not bool(weights.triu(1).any())


def no_attention(module: nn.Module) -> str:
    """Return why a model is refused that computes no attention weights."""
    return (
        f"{type(module).__name__} computes no attention weights (it mixes tokens another way), "
        "so there is nothing to show: choose a transformer with softmax attention."
    )
