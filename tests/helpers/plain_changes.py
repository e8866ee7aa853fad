"""Changed passes by hooks on transformers' own eager modules: an implementation apart from ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoModelForSeq2SeqLM

from models import AttentionTrace

MASKED = (1, 4)
T5_SELF, T5_CROSS = "layer.0.SelfAttention", "layer.1.EncDecAttention"


@dataclass(frozen=True)
class Place:
    """Where the heads of a layer are in a plain module: the projection after them, and what gives their values."""

    output: str
    value: str
    key_heads: int
    first: int = 0  # of the values in what `value` gives


PLACES = {
    ("bert", "encoder"): Place("encoder.layer.{}.attention.output.dense", "encoder.layer.{}.attention.self.value", 3),
    ("gpt2", "decoder"): Place("h.{}.attn.c_proj", "h.{}.attn.c_attn", 3, 84),
    ("llama", "decoder"): Place("layers.{}.self_attn.o_proj", "layers.{}.self_attn.v_proj", 2),
    ("t5", "encoder"): Place(f"encoder.block.{{}}.{T5_SELF}.o", f"encoder.block.{{}}.{T5_SELF}.v", 5),
    ("t5", "decoder"): Place(f"decoder.block.{{}}.{T5_SELF}.o", f"decoder.block.{{}}.{T5_SELF}.v", 5),
    ("t5", "cross"): Place(f"decoder.block.{{}}.{T5_CROSS}.o", f"decoder.block.{{}}.{T5_CROSS}.v", 5),
}
HEADS = {"bert": 3, "gpt2": 3, "llama": 6, "t5": 5}


def pattern_by_hand(pattern: str, allowed: list[bool], query: int) -> list[float]:
    """Return the row of a forced pattern, key by key."""
    keys = [key for key, may in enumerate(allowed) if may]
    if not keys:
        return [1 / len(allowed)] * len(allowed)
    if pattern == "uniform":
        return [1 / len(keys) if may else 0.0 for may in allowed]
    wanted = {"first": -1, "previous": query - 1, "self": query}[pattern]
    before = [key for key in keys if key <= wanted]
    chosen = before[-1] if before else keys[0]
    return [float(key == chosen) for key in range(len(allowed))]


def allowed_pairs(kind: str, n_query: int, n_key: int) -> np.ndarray:
    allowed = np.ones((n_query, n_key), bool)
    if kind != "decoder_of_two":
        allowed[:, list(MASKED)] = False
    if kind in ("decoder", "decoder_of_two"):
        allowed &= np.tri(n_query, dtype=bool)
    if kind in ("encoder", "decoder"):
        allowed[list(MASKED), list(MASKED)] = True
    return allowed


@contextmanager
def hooked(module: Any, place: Place, layer: int, head: int, n_heads: int, how: str, kind: str) -> Iterator[None]:
    """Replace what a head adds to the input of the projection after it."""
    values: list[torch.Tensor] = []

    def keep(part: Any, given: Any, output: torch.Tensor) -> None:
        values.append(output[0, :, place.first :])

    def replace(part: Any, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = given[0].clone()
        width = states.shape[-1] // n_heads
        own = slice(head * width, (head + 1) * width)
        if how == "zero":
            states[..., own] = 0
        elif how == "mean":
            masked = MASKED if kind in ("encoder", "decoder") else ()
            for query in range(states.shape[1]):
                seen = range(states.shape[1] if kind == "encoder" else query + 1)
                kept = [one for one in seen if one not in masked] or [query]
                states[0, query, own] = given[0][0, kept, own].mean(0)
        else:
            allowed = allowed_pairs(kind, states.shape[1], len(values[-1]))
            weights = torch.tensor([pattern_by_hand(how, row.tolist(), q) for q, row in enumerate(allowed)])
            kv_head = head // (n_heads // place.key_heads)
            states[0, :, own] = weights @ values[-1][:, kv_head * width : (kv_head + 1) * width]
        return (states, *given[1:])

    handles = [
        module.get_submodule(place.value.format(layer)).register_forward_hook(keep),
        module.get_submodule(place.output.format(layer)).register_forward_pre_hook(replace),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def plain_pass(family: str, folder: Any, trace: AttentionTrace) -> tuple[dict[str, Any], torch.Tensor]:
    """Return the weights by kind, and the last hidden states of the text, of a plain eager module with hooks."""
    auto = AutoModelForSeq2SeqLM if family == "t5" else AutoModel
    module = auto.from_pretrained(folder, attn_implementation="eager").eval()
    first = trace[trace.kinds[0]]
    ids = torch.tensor([[token.id for token in first.key_tokens]])
    masks = torch.tensor(allowed_pairs(first.kind, first.n_key, first.n_key))[None, None]
    additive = torch.zeros(masks.shape).masked_fill(~masks, torch.finfo(torch.float32).min)
    with ExitStack() as stack, torch.inference_mode():
        for kind, layer, head, how in trace.source.ablate:
            of = "decoder_of_two" if (family, kind) == ("t5", "decoder") else kind
            stack.enter_context(hooked(module, PLACES[family, kind], layer, head, HEADS[family], how, of))
        if family != "t5":
            output = module(input_ids=ids, attention_mask=additive, output_attentions=True)
            return {first.kind: output.attentions}, output.last_hidden_state
        encoded = module.encoder(input_ids=ids, attention_mask=additive, output_attentions=True)
        flat = torch.tensor([[position not in MASKED for position in range(first.n_key)]]).long()
        decoder_ids = torch.tensor([[token.id for token in trace["decoder"].key_tokens]])
        output = module(
            encoder_outputs=encoded, attention_mask=flat, decoder_input_ids=decoder_ids, output_attentions=True
        )
    weights = {"encoder": encoded.attentions, "decoder": output.decoder_attentions, "cross": output.cross_attentions}
    return weights, encoded.last_hidden_state
