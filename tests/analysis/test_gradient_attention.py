"""Gradient times attention, against the gradients that eager attention of plain transformers keeps of its weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from analysis import derive, gradient_attention
from analysis.maps.gradients import NORMALISED
from models import AttentionTrace, load_model
from models.errors import NoAnswer
from tests.helpers.small_models import SENTENCE, TARGET
from tests.helpers.with_heads import own_inputs, save_with_head

pytestmark = pytest.mark.slow

# The largest difference, of the largest product of a layer. Measured: 4e-6 at most, in float32.
RELATIVE = 1e-5


def eager(auto, folder):
    return auto.from_pretrained(folder, attn_implementation="eager").eval()


def gradients_of(module, goal, field: str = "attentions", **inputs) -> list[np.ndarray]:
    """The definition, layer by layer, with weights that keep their gradients."""
    output = module(**inputs, output_attentions=True)
    weights: tuple[Tensor, ...] = output[field]
    for layer in weights:
        layer.retain_grad()
    goal(output).backward()
    return [np.maximum((layer * layer.grad)[0].detach().numpy(), 0) for layer in weights]


def check(att, expected: list[np.ndarray]) -> None:
    assert att.n_layers == len(expected)
    assert att.method == "gradient"
    for number, layer in enumerate(expected):
        assert layer.max() > 1e-4
        np.testing.assert_allclose(att.layer(number), layer, rtol=0, atol=RELATIVE * layer.max())


def test_a_class_of_an_encoder(tmp_path):
    save_with_head("bert", AutoModelForSequenceClassification, tmp_path, id2label={0: "BAD", 1: "GOOD"})
    model, inputs = load_model(tmp_path), own_inputs(tmp_path, SENTENCE)
    module = eager(AutoModelForSequenceClassification, tmp_path)
    own = int(module(**inputs).logits[0].argmax())
    expected = [gradients_of(module, lambda output, n=number: output.logits[0, n], **inputs) for number in (0, 1)]
    for target, number in ((None, own), ("GOOD", 1), ("class:0", 0), ("class:BAD", 0)):
        att = gradient_attention(model, SENTENCE, target)
        check(att, expected[number])
        assert att.notices[0] == f"The gradient is of the label {('BAD', 'GOOD')[number]}."
        assert "do not sum to 1" in att.notices[1]


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_oss"])
def test_a_token_of_a_decoder(family, tmp_path):
    """Llama's and the later ones' heads share keys; Gemma's scores have a cap, and GPT-OSS has sinks and windows."""
    save_with_head(family, AutoModelForCausalLM, tmp_path)
    model, inputs = load_model(tmp_path), own_inputs(tmp_path, SENTENCE)
    inputs.pop("token_type_ids", None)
    module = eager(AutoModelForCausalLM, tmp_path)
    att = gradient_attention(model, SENTENCE, "token:7@4")
    check(att, gradients_of(module, lambda output: output.logits[0, 4, 7], **inputs))
    np.testing.assert_array_equal(att.mask(0, 0), model.trace(SENTENCE)["decoder"].mask(0, 0))
    own = gradients_of(module, lambda output: output.logits[0, -1].max(), **inputs)
    check(gradient_attention(model, SENTENCE), own)


def test_a_token_of_an_encoder_decoder(tmp_path):
    save_with_head("t5", AutoModelForSeq2SeqLM, tmp_path)
    model = load_model(tmp_path)
    trace = model.trace(SENTENCE, target=TARGET)
    read = {
        "input_ids": torch.tensor([[token.id for token in trace["encoder"].key_tokens]]),
        "decoder_input_ids": torch.tensor([[token.id for token in trace["decoder"].key_tokens]]),
    }
    module = eager(AutoModelForSeq2SeqLM, tmp_path)
    for kind in ("encoder", "decoder", "cross"):
        expected = gradients_of(module, lambda output: output.logits[0, -1, 13], f"{kind}_attentions", **read)
        check(gradient_attention(model, SENTENCE, "token:13", kind=kind, decoder_text=TARGET), expected)


def test_masks_and_labels_of_tokens(tmp_path):
    save_with_head("bert", AutoModelForMaskedLM, tmp_path / "words")
    model, text = load_model(tmp_path / "words"), "The cat [MASK] on the [MASK]."
    inputs = own_inputs(tmp_path / "words", text)
    masked = (inputs["input_ids"][0] == model.tokenizer.mask_token_id).nonzero().flatten().tolist()
    module = eager(AutoModelForMaskedLM, tmp_path / "words")
    check(
        gradient_attention(model, text, "fox"),
        gradients_of(
            module,
            lambda output: output.logits[0, masked, model.tokenizer.convert_tokens_to_ids("fox")].sum(),
            **inputs,
        ),
    )
    check(
        gradient_attention(model, text),
        gradients_of(module, lambda output: output.logits[0, masked].max(-1).values.sum(), **inputs),
    )
    with pytest.raises(NoAnswer, match="no mask token"):
        gradient_attention(model, SENTENCE, "fox")
    assert gradient_attention(model, SENTENCE).notices[0] == "The gradient is of the length of the text's embedding."
    save_with_head("bert", AutoModelForTokenClassification, tmp_path / "labels")
    labels = load_model(tmp_path / "labels")
    module = eager(AutoModelForTokenClassification, tmp_path / "labels")
    inputs = own_inputs(tmp_path / "labels", SENTENCE)
    for target, goal in (
        (None, lambda output: output.logits[0].max(-1).values.sum()),
        ("class:1", lambda output: output.logits[0, :, 1].sum()),
        ("class:1@3", lambda output: output.logits[0, 3, 1]),
    ):
        check(gradient_attention(labels, SENTENCE, target), gradients_of(module, goal, **inputs))


def test_the_embedding_and_its_rollout_of_minilm(minilm):
    text = "The cat sat on the mat because it was tired."
    folder = minilm.module.config._name_or_path
    ids = torch.tensor([[token.id for token in minilm.trace(text)["encoder"].key_tokens]])
    expected = gradients_of(
        eager(AutoModel, folder), lambda output: output.last_hidden_state[0].mean(0).norm(), input_ids=ids
    )
    check(gradient_attention(minilm, text), expected)
    check(gradient_attention(minilm, text, "embedding"), expected)
    total = np.eye(ids.shape[1])
    rolled = gradient_attention(minilm, text, rollout=True)
    for number, layer in enumerate(expected):
        step = np.zeros_like(total)
        for head in layer:
            step += head / len(layer)
        total = total + step @ total
        np.testing.assert_allclose(rolled.weights(number, 0), total, rtol=0, atol=RELATIVE)
    assert rolled.n_heads == 1
    shares = gradient_attention(minilm, text, rollout=True, normalise=True)
    np.testing.assert_allclose(shares.weights(5, 0), total / total.sum(1, keepdims=True), rtol=0, atol=1e-6)


def test_a_map_of_the_page_has_rows_of_1_and_is_the_same_in_a_file(tmp_path, loaded):
    """Gemma's layers have windows in turn, whose masks the map keeps."""
    model = loaded("gemma2")
    att = model.trace(SENTENCE)["decoder"]
    found = derive("gradient", att, model, {"text": SENTENCE}, "embedding")
    plain = gradient_attention(model, SENTENCE, "embedding")
    for layer in range(3):
        total = plain.layer(layer).sum(-1, keepdims=True)
        np.testing.assert_allclose(found.layer(layer), plain.layer(layer) / np.where(total == 0, 1, total), atol=1e-6)
        np.testing.assert_array_equal(found.mask(layer, 1), att.mask(layer, 1))
    assert found.notices == ("The gradient is of the length of the text's embedding.", NORMALISED)
    AttentionTrace.of(plain).save(tmp_path / "map.npz")
    read = AttentionTrace.load(tmp_path / "map.npz")["decoder"]
    assert (read.method, read.notices) == ("gradient", plain.notices)
    for layer in range(3):
        np.testing.assert_array_equal(read.layer(layer), plain.layer(layer))
    np.testing.assert_array_equal(read.mask(1, 0), att.mask(1, 0))  # a file has no masks of windows for weights
