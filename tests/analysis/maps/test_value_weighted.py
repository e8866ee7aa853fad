"""Value-weighted attention: the norms of Kobayashi et al. 2020 by the names of each family's own weights."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSeq2SeqLM

from analysis import value_weighted
from models import head_internals, load_model
from models.capture.interface import IMPLEMENTATION
from models.errors import BadSelection, NoAttention, NoText
from tests.helpers.small_models import SENTENCE, TARGET, with_head
from tests.zoo.build import build, config_of

pytestmark = pytest.mark.slow


def norms(x: Tensor, value: nn.Module, output: Tensor, n_heads: int, group: int = 1) -> Tensor:
    """||f(x)|| `[head, key]` from a module that makes all values and from W_O `[head * d_value, width]`."""
    values = value(x)[0]
    d_value = output.shape[0] // n_heads
    found = []
    for head in range(n_heads):
        of_head = values[:, head // group * d_value :][:, :d_value]
        found.append([float((row @ output[head * d_value :][:d_value]).norm()) for row in of_head])
    return torch.tensor(found)


def of_bert(plain, inputs) -> list[Tensor]:
    states = plain(**inputs, output_hidden_states=True).hidden_states
    return [
        norms(x, layer.attention.self.value, layer.attention.output.dense.weight.T, 3)
        for x, layer in zip(states, plain.encoder.layer, strict=False)
    ]


def of_gpt2(plain, inputs) -> list[Tensor]:
    states = plain(**inputs, output_hidden_states=True).hidden_states
    return [
        norms(layer.ln_1(x), lambda y, of=layer.attn: of.c_attn(y)[..., 84:], layer.attn.c_proj.weight, 3)
        for x, layer in zip(states, plain.h, strict=False)
    ]


def of_llama(plain, inputs) -> list[Tensor]:
    states = plain(**inputs, output_hidden_states=True).hidden_states
    return [
        norms(layer.input_layernorm(x), layer.self_attn.v_proj, layer.self_attn.o_proj.weight.T, 6, group=3)
        for x, layer in zip(states, plain.layers, strict=False)
    ]


def of_t5_cross(plain, inputs) -> list[Tensor]:
    encoded = plain.encoder(**{name: each for name, each in inputs.items() if "decoder" not in name})[0]
    parts = [block.layer[1].EncDecAttention for block in plain.decoder.block]
    return [norms(encoded, part.v, part.o.weight.T, 5) for part in parts]


CASES = {
    "bert": (of_bert, "encoder", None),
    "gpt2": (of_gpt2, "decoder", None),
    "llama": (of_llama, "decoder", None),
    "t5": (of_t5_cross, "cross", TARGET),
}


@pytest.mark.parametrize("family", CASES)
@torch.no_grad()
def test_weights_are_multiplied_by_the_norms_of_the_familys_own_weights(family, folder_of):
    by_name, kind, target = CASES[family]
    folder = folder_of(family)
    model = load_model(str(folder))
    auto = AutoModelForSeq2SeqLM if family == "t5" else AutoModel
    plain = auto.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = dict(model.tokenizer(SENTENCE, return_tensors="pt"))
    names = ("input_ids", "attention_mask")
    expected = by_name(plain, {name: inputs[name] for name in names})
    trace = model.trace(SENTENCE, target=target)
    found = value_weighted(model, SENTENCE, kind=kind, target=target)
    assert (found.method, found.kind, found.n_layers) == ("value-weighted", kind, len(expected))
    for layer, lengths in enumerate(expected):
        weights = trace[kind].layer(layer)
        assert np.abs(found.layer(layer) - weights * lengths.numpy()[:, None]).max() < 1e-5
        for head in range(found.heads_in(layer)):
            np.testing.assert_array_equal(found.mask(layer, head), trace[kind].mask(layer, head))


def test_rows_divided_by_their_sums(folder_of):
    model = load_model(str(folder_of("llama")))
    plain, divided = value_weighted(model, SENTENCE), value_weighted(model, SENTENCE, normalise=True)
    for layer in range(plain.n_layers):
        expected = plain.layer(layer) / plain.layer(layer).sum(-1, keepdims=True)
        assert np.abs(divided.layer(layer) - expected).max() < 1e-6
    assert "do not sum to 1" in plain.notices[-1]
    assert divided.notices[-1] == "Each row is divided by its sum."


def test_an_orthogonal_projection_keeps_the_length_of_the_values(folder_of):
    model = load_model(str(folder_of("bert")))
    for layer in model.module.encoder.layer:
        nn.init.orthogonal_(layer.attention.output.dense.weight)
    found = value_weighted(model, SENTENCE)
    for layer, head in ((0, 2), (1, 0)):
        steps = head_internals(model, SENTENCE, layer, head)
        expected = steps.weights * np.linalg.norm(steps.v, axis=-1)
        assert np.abs(found.weights(layer, head) - expected).max() < 1e-5


def test_other_inputs_are_read_as_a_trace_reads_them(folder_of, tmp_path):
    bert = load_model(str(folder_of("bert")))
    pair = value_weighted(bert, "The cat sat.", text_pair="It was tired.")
    assert pair.query_tokens == bert.trace("The cat sat.", text_pair="It was tired.")["encoder"].query_tokens
    writer = load_model(str(with_head("gpt2", tmp_path)))
    written = value_weighted(writer, "The cat", generate=5)
    assert [token.generated for token in written.query_tokens].count(True) == 5
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    seen = value_weighted(load_model("scratch:digits"), image=picture)
    assert (seen.n_query, seen.key_grid, seen.method) == (17, (4, 4), "value-weighted")
    with pytest.raises(NoText):
        value_weighted(bert, "")


def test_what_is_not_known_is_refused_in_a_sentence_that_names_the_layer(folder_of):
    # BitNet has a norm between the output of the heads and the projection.
    module, tokenizer = build(config_of("bitnet"), IMPLEMENTATION, "bitnet"), load_model(str(folder_of("t5"))).tokenizer
    gated = load_model(module, tokenizer)
    with pytest.raises(NoAttention, match=r"in layer 0 of its decoder attention another function \(pow\) reads"):
        value_weighted(gated, SENTENCE)
    with pytest.raises(NoAttention, match="needs the values of each layer"):
        value_weighted(load_model(str(folder_of("deberta-v2"))), SENTENCE)
    with pytest.raises(BadSelection, match="There is no 'cross' attention here"):
        value_weighted(load_model(str(folder_of("bert"))), SENTENCE, kind="cross")
