"""All effects of heads and tokens against hooks on transformers' own eager modules, which share no code with ours.

Every head of BERT, GPT-2, Llama with grouped queries, and T5's three kinds, switched off, at its mean, and uniform.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

from analysis import effects, token_effects
from models import load_model
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import TARGET
from tests.helpers.with_heads import save_with_head

pytestmark = pytest.mark.slow
TEXT = "The cat sat on the mat because the lazy dog was tired."
MASKED_TEXT = "The [MASK] sat on the [MASK] because the lazy dog was tired."
T5_SELF, T5_CROSS = "{}.block.{{}}.layer.0.SelfAttention", "decoder.block.{}.layer.1.EncDecAttention"


@dataclass(frozen=True)
class Part:
    """Where a kind of attention is in a plain model: the names of its projections, and the weights that it returns."""

    value: str
    output: str
    weights: str
    skipped: int = 0  # of what `value` gives before the values


T5 = {
    "encoder": Part(f"{T5_SELF.format('encoder')}.v", f"{T5_SELF.format('encoder')}.o", "encoder_attentions"),
    "decoder": Part(f"{T5_SELF.format('decoder')}.v", f"{T5_SELF.format('decoder')}.o", "decoder_attentions"),
    "cross": Part(f"{T5_CROSS}.v", f"{T5_CROSS}.o", "cross_attentions"),
}
_BERT = "bert.encoder.layer.{}.attention"
FAMILIES: dict[str, tuple[Any, dict[str, Part]]] = {
    "bert": (AutoModelForMaskedLM, {"encoder": Part(f"{_BERT}.self.value", f"{_BERT}.output.dense", "attentions")}),
    "gpt2": (
        AutoModelForCausalLM,
        {"decoder": Part("transformer.h.{}.attn.c_attn", "transformer.h.{}.attn.c_proj", "attentions", 84)},
    ),
    "llama": (
        AutoModelForCausalLM,
        {"decoder": Part("model.layers.{}.self_attn.v_proj", "model.layers.{}.self_attn.o_proj", "attentions")},
    ),
    "t5": (AutoModelForSeq2SeqLM, T5),
}


class Plain:
    """A plain eager model, what it reads, and its untouched answer: the probabilities at the places that answer."""

    def __init__(self, module: nn.Module, ids: Tensor, places: list[int], decoder_ids: Tensor | None) -> None:
        self.module, self.places = module, places
        self.inputs = {"input_ids": ids} | ({} if decoder_ids is None else {"decoder_input_ids": decoder_ids})
        with torch.inference_mode():
            self.given = module(**self.inputs, output_attentions=True)
        self.untouched = self._logs(self.given.logits)
        self.best = self.untouched.argmax(-1)

    def _logs(self, logits: Tensor) -> Tensor:
        return logits[0, self.places].double().log_softmax(-1)

    def answer(self, **more: Any) -> tuple[float, float]:
        """Return the probability of the untouched answer, and the divergence in bits."""
        with torch.inference_mode():
            logs = self._logs(self.module(**self.inputs, **more).logits)
        share = self.untouched.exp()
        bits = (share * (self.untouched - logs)).sum(-1).mean() / math.log(2)
        return logs.gather(-1, self.best[:, None]).exp().mean().item(), bits.item()

    @contextmanager
    def changed(self, part: Part, layer: int, head: int, how: str, *, causal: bool) -> Iterator[None]:
        """Replace what a head adds to the input of the projection after it."""
        weights, values = self.given[part.weights][layer][0], list[Tensor]()

        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            values.append(output[0, :, part.skipped :])

        def replace(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            states = given[0].clone()
            width = states.shape[-1] // len(weights)
            own = slice(head * width, (head + 1) * width)
            states[0, :, own] = self._replaced(states[0, :, own].clone(), weights, values[-1], head, how, causal)
            return (states, *given[1:])

        find = self.module.get_submodule
        handles = [
            find(part.value.format(layer)).register_forward_hook(keep),
            find(part.output.format(layer)).register_forward_pre_hook(replace),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @staticmethod
    def _replaced(output: Tensor, weights: Tensor, values: Tensor, head: int, how: str, causal: bool) -> Tensor:
        if how == "zero":
            return torch.zeros_like(output)
        if how == "mean":
            so_far = output.cumsum(0) / torch.arange(1, len(output) + 1)[:, None]
            return so_far if causal else output.mean(0).expand_as(output)
        allowed = (weights[head] > 0).float()  # the model's own mask
        width = output.shape[1]
        key_head = head // (len(weights) // (values.shape[1] // width))
        return allowed / allowed.sum(-1, keepdim=True) @ values[:, key_head * width : (key_head + 1) * width]


@pytest.mark.parametrize("family", FAMILIES)
def test_all_effects_are_those_of_hooks(family, tmp_path):
    auto, parts = FAMILIES[family]
    save_with_head(family, auto, tmp_path)
    model = load_model(str(tmp_path))
    text, given = (MASKED_TEXT if family == "bert" else TEXT), ({"target": TARGET} if family == "t5" else {})
    trace = model.trace(text, **given)
    ids = torch.tensor([[token.id for token in trace[trace.kinds[0]].key_tokens]])
    decoder_ids = torch.tensor([[token.id for token in trace["decoder"].query_tokens]]) if family == "t5" else None
    masks = (ids[0] == 4).nonzero().flatten().tolist()
    plain = Plain(
        auto.from_pretrained(tmp_path, attn_implementation="eager").eval(),
        ids,
        masks if family == "bert" else [-1],
        decoder_ids,
    )
    for kind, part in parts.items():
        for how in ("zero", "mean", "uniform"):
            table, expected = effects(model, text, how, kind=kind, **given), []
            for layer, head in table.index:
                with plain.changed(part, layer, head, how, causal=kind != "encoder"):
                    expected.append(plain.answer())
            _same(table, expected)
            assert table["effect"].abs().max() > 1e-3
    if family == "t5":
        return
    n_tokens, expected = ids.shape[1], []
    for masked in range(n_tokens):
        allowed = torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril(0 if family != "bert" else n_tokens)
        allowed[:, masked] = False
        allowed[masked, masked] = True
        additive = torch.zeros(1, 1, n_tokens, n_tokens).masked_fill(~allowed, torch.finfo(torch.float32).min)
        expected.append(plain.answer(attention_mask=additive))
    _same(token_effects(model, text), expected)


def _same(table: pd.DataFrame, expected: list[tuple[float, float]]) -> None:
    # Up to 7 bits, which round as coarsely as they are large: 1.4e-5 seen.
    found = table[["probability", "divergence_bits"]]
    np.testing.assert_allclose(found, expected, rtol=OF_PASSES, atol=OF_PASSES)
