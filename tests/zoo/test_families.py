"""What a trace shows is what the model computes: every family against an independent forward of its own."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer

import models
from models.capture import call_output
from models.capture import interface as capture
from models.capture.replay import Replay
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import FAMILIES, SENTENCE, TARGET

ROWS_SUM_BELOW_ONE = {"gpt_oss"}  # sinks take attention mass without being a key
SINKS = (
    "18 heads send part of the attention to a sink, which is not a token (layer 0 head 0, layer 0 head 1, "
    "layer 0 head 2, layer 0 head 3 and 14 more): their rows sum to less than 1, and the rest is the sink's share."
)
# Softcap, sinks, not on the attention interface: for these the plain forward is the eager one.
NOT_IN_SDPA = {"gemma2", "gpt_oss", "deberta-v2", "bloom", "falcon"}
WINDOWS = {"modernbert": (3, "encoder"), "gemma2": (4, "decoder"), "gpt_oss": (4, "decoder")}

# The quick tests take one encoder and one decoder: to build and load the others takes 6 s.
QUICK = {"bert", "llama"}
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FAMILIES]


def trace_of(model: models.Model) -> models.AttentionTrace:
    return model.trace(SENTENCE, target=TARGET) if "cross" in model.card.kinds else model.trace(SENTENCE)


def plain(folder, implementation: str) -> torch.nn.Module:
    """The model as transformers loads it, nothing of Headlight in the way."""
    config = FAMILIES[folder.name]().config
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModel
    return auto.from_pretrained(folder, attn_implementation=implementation).eval()


def plain_inputs(folder, trace: models.AttentionTrace) -> dict[str, torch.Tensor]:
    """What the model reads, from its own tokenizer; the decoder's part is the target between start and end."""
    inputs = dict(AutoTokenizer.from_pretrained(folder)(SENTENCE, return_tensors="pt"))
    inputs.pop("token_type_ids", None)
    if "cross" in trace.kinds:
        target = AutoTokenizer.from_pretrained(folder)(text_target=TARGET)["input_ids"]
        start = FAMILIES[folder.name]().config.decoder_start_token_id
        inputs["decoder_input_ids"] = torch.tensor([[start, *target[:-1]]])
    return inputs


def eager_weights(folder, trace: models.AttentionTrace) -> dict[str, list[np.ndarray]]:
    """`[head, query, key]` per layer and kind, from `output_attentions` of an eager forward."""
    with torch.no_grad():
        output = plain(folder, "eager")(**plain_inputs(folder, trace), output_attentions=True)
    if "cross" in trace.kinds:
        found = {kind: getattr(output, f"{kind}_attentions") for kind in trace.kinds}
    else:
        found = {trace.kinds[0]: output.attentions}
    return {kind: [layer[0].numpy() for layer in layers] for kind, layers in found.items()}


@pytest.mark.parametrize("family", EACH)
def test_weights_equal_an_independent_eager_forward(family, folder_of, loaded, record_property):
    trace = trace_of(loaded(family))
    eager = eager_weights(folder_of(family), trace)
    worst = 0.0
    for kind in trace.kinds:
        attention = trace[kind]
        assert attention.n_layers == len(eager[kind])
        for layer, expected in enumerate(eager[kind]):
            assert attention.heads_in(layer) == len(expected)
            for head in range(len(expected)):
                ours = attention.weights(layer, head)
                assert ours.shape == expected[head].shape
                worst = max(worst, float(np.abs(ours - expected[head]).max()))
    record_property("worst", worst)
    print(f"{family}: worst difference {worst:.1e}")
    # Replayed from the same queries and keys the weights are equal to the bit: `proof` below.
    assert worst <= OF_PASSES


@pytest.mark.parametrize("family", EACH)
def test_the_card_says_how_the_weights_are_had(family, loaded):
    expected, card = FAMILIES[family](), loaded(family).card
    assert (card.kinds, card.capture) == (expected.kinds, expected.capture)
    assert card.notices == ((SINKS,) if family in ROWS_SUM_BELOW_ONE else ())
    # Measured: 0 for every family; another CPU's matrix product may round otherwise.
    assert card.proof <= 1e-6
    assert card.name == family
    assert card.revision.startswith("sha256:")
    assert (card.device, card.dtype) == ("cpu", "float32")


@pytest.mark.parametrize("family", EACH)
def test_shapes_tokens_and_row_sums(family, loaded):
    trace = trace_of(loaded(family))
    lengths = {kind: (len(trace[kind].query_tokens), len(trace[kind].key_tokens)) for kind in trace.kinds}
    if "cross" in trace.kinds:
        (n_source, _), (n_target, _) = lengths["encoder"], lengths["decoder"]
        assert n_source != n_target
        assert lengths["cross"] == (n_target, n_source)
    for kind, length in lengths.items():
        for layer in range(trace[kind].n_layers):
            weights = trace[kind].layer(layer)
            assert weights.shape == (trace[kind].heads_in(layer), *length)
            assert weights.dtype == np.float32
            assert weights.min() >= 0
            sums = weights.sum(-1)
            if family in ROWS_SUM_BELOW_ONE:
                assert sums.max() <= 1 + 1e-5
                assert sums.mean() < 0.99
            else:
                # Measured: 2.4e-7, float32 additions.
                assert np.abs(sums - 1).max() <= 1e-5


@pytest.mark.parametrize("family", EACH)
def test_no_weight_where_the_mask_forbids(family, loaded):
    trace = trace_of(loaded(family))
    for kind in trace.kinds:
        attention = trace[kind]
        for layer in range(attention.n_layers):
            allowed = attention.mask(layer, attention.heads_in(layer) - 1)
            weights = attention.layer(layer)
            assert allowed.shape == weights.shape[1:]
            assert not weights[:, ~allowed].any()
            if kind == "decoder":
                assert not np.triu(allowed, 1).any()
                assert allowed.diagonal().all()
            elif family not in WINDOWS:
                assert allowed.all()


@pytest.mark.parametrize("family", WINDOWS)
def test_a_sliding_window_is_narrower_than_the_text(family, loaded):
    reach, kind = WINDOWS[family]
    attention = trace_of(loaded(family))[kind]
    query, key = np.indices((attention.n_query, attention.n_key))
    near = abs(query - key) <= reach if kind == "encoder" else (key <= query) & (query - key <= reach)
    everywhere = np.ones_like(near) if kind == "encoder" else key <= query
    found = [attention.mask(layer, 0) for layer in range(attention.n_layers)]
    is_local = [bool((mask == near).all()) for mask in found]
    assert any(is_local)
    assert not all(is_local)
    for mask, local in zip(found, is_local, strict=True):
        np.testing.assert_array_equal(mask, near if local else everywhere)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss"])
def test_grouped_heads_share_keys_but_not_weights(family, loaded):
    model = loaded(family)
    config = model.module.config
    assert config.num_key_value_heads < config.num_attention_heads
    attention = trace_of(model)["decoder"]
    assert attention.n_heads == config.num_attention_heads
    weights = attention.layer(1)
    assert min(np.abs(weights[one] - weights[other]).max() for one in range(6) for other in range(one)) > 1e-3


@pytest.mark.parametrize("family", EACH)
def test_recording_leaves_the_output_of_the_forward_as_it_is(family, folder_of, loaded):
    model, folder = loaded(family), folder_of(family)
    inputs = plain_inputs(folder, trace_of(model))
    expected = plain(folder, "eager" if family in NOT_IN_SDPA else "sdpa")
    with torch.no_grad():
        with capture.recording() as calls:
            ours = model.module(**inputs)
        unrecorded, theirs = model.module(**inputs), expected(**inputs)
    assert bool(calls) == (model.card.capture == "replayed")
    # Measured: 0 for every family, equal to the bit; other processors may choose other kernels.
    assert torch.equal(ours[0], unrecorded[0])
    assert (ours[0] - theirs[0]).abs().max() <= 2e-5


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "deberta-v2", "llama", "bart"])
def test_changing_a_matrix_of_the_model_changes_the_trace(family, folder_of, loaded, tmp_path):
    folder = tmp_path / family
    shutil.copytree(folder_of(family), folder)
    path = folder / "model.safetensors"
    weights = load_file(path)
    changed = next(name for name in sorted(weights) if "k_proj.weight" in name or ("key" in name and "weight" in name))
    weights[changed] = -weights[changed]
    save_file(weights, path, metadata={"format": "pt"})
    before, after = trace_of(loaded(family)), trace_of(models.load_model(str(folder)))
    assert after.source.revision != before.source.revision
    assert max(np.abs(after[kind].layer(0) - before[kind].layer(0)).max() for kind in before.kinds) > 1e-2


WRONG = {
    "scaling": lambda rows: lambda self, *where: rows(Replay(**{**vars(self), "scaling": 1.01 * self.scaling}), *where),
    "keys swapped": lambda rows: lambda self, *where: rows(Replay(**{**vars(self), "key": self.key.flip(1)}), *where),
    "mask lost": lambda rows: (
        lambda self, *where: rows(Replay(**{**vars(self), "mask": None, "causal": False}), *where)
    ),
    "group order": lambda rows: lambda self, *where: rows(Replay(**{**vars(self), "key": self.key.flip(0)}), *where),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_a_family_whose_replay_differs_falls_back_by_itself(wrong, folder_of, monkeypatch):
    monkeypatch.setattr(Replay, "rows", WRONG[wrong](Replay.rows))
    model = models.load_model(str(folder_of("llama")))
    assert model.card.capture == "materialised"
    trace = trace_of(model)
    for layer, expected in enumerate(eager_weights(folder_of("llama"), trace)["decoder"]):
        np.testing.assert_array_equal(trace["decoder"].layer(layer), expected)


def test_a_missed_layer_falls_back_by_itself(folder_of, monkeypatch):
    replayed = models.checkpoints.verify.replayed_batch

    def without_the_first(*given, **options):
        return [{role: found[1:] for role, found in row.items()} for row in replayed(*given, **options)]

    monkeypatch.setattr("models.checkpoints.verify.replayed_batch", without_the_first)
    assert models.load_model(str(folder_of("gpt2"))).card.capture == "materialised"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_other_dtypes_are_replayed_too(family, dtype, folder_of):
    model = models.load_model(str(folder_of(family)), dtype=dtype)
    assert (model.card.capture, model.card.dtype) == ("replayed", dtype)
    print(f"{family} {dtype}: proof {model.card.proof:.1e}")
    attention = trace_of(model)[model.card.kinds[0]]
    # The weights are computed in float32 from the half types' q and k, so their rows sum to 1 as well.
    assert np.abs(attention.layer(1).sum(-1) - 1).max() <= 1e-5
    assert attention.layer(1).dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bart", "t5"])
def test_without_a_target_the_decoder_reads_what_it_generates(family, loaded):
    trace = loaded(family).trace(SENTENCE)
    decoder = trace["decoder"]
    assert 2 <= decoder.n_query <= 24
    assert decoder.query_tokens[0].id == loaded(family).module.config.decoder_start_token_id
    assert trace["cross"].query_tokens == decoder.query_tokens
    assert "generates" in " ".join(trace.notices)
    ids = [token.id for token in decoder.query_tokens]
    again = [token.id for token in loaded(family).trace(SENTENCE)["decoder"].query_tokens]
    assert ids == again


def test_target_tokens_point_into_the_target(loaded):
    tokens = loaded("bart").trace(SENTENCE, target=TARGET)["decoder"].query_tokens
    assert tokens[0].special
    pieces = [TARGET[token.start : token.end] for token in tokens if token.start is not None]
    assert "".join(pieces) == TARGET.replace(" ", "")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gemma2", "gpt_oss"])
def test_outputs_in_strips_are_the_outputs_at_once(family, folder_of, loaded, monkeypatch):
    inputs = plain_inputs(folder_of(family), trace_of(loaded(family)))
    with torch.no_grad():
        at_once = loaded(family).module(**inputs)[0]
        monkeypatch.setattr(call_output, "OUTPUT_WEIGHTS", 5 * 6 * inputs["input_ids"].shape[1])  # 5 rows of 6 heads
        in_strips = loaded(family).module(**inputs)[0]
    # Measured: 2.1e-6, since the matrix product of a strip rounds unlike the whole one.
    assert (at_once - in_strips).abs().max() <= 2e-5


@pytest.mark.parametrize("family", EACH)
def test_the_card_has_the_sizes_of_each_kind(family, loaded):
    """An encoder and its decoder may differ: the first kind's sizes are not the model's."""
    model = loaded(family)
    trace = trace_of(model)
    assert model.card.sizes == {kind: (trace[kind].n_layers, trace[kind].n_heads) for kind in trace.kinds}
    assert (model.card.n_layers, model.card.n_heads) == model.card.sizes[trace.kinds[0]]


def test_sizes_are_told_and_cannot_be_changed(loaded):
    model = loaded("bart")
    assert model.card.sizes == {"encoder": (2, 3), "decoder": (3, 7), "cross": (3, 7)}
    assert (
        repr(model) == "Model('bart', encoder 2 layers x 3 heads, decoder 3 layers x 7 heads, cross 3 layers x 7 heads)"
    )
    with pytest.raises(TypeError):
        model.card.sizes["encoder"] = (1, 1)
    assert hash(model.card)
