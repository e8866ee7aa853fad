"""Checkpoints that are damaged, incomplete, another model's or another library's: each is refused or told by name."""

from __future__ import annotations

import json
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_models
import torch
from safetensors.torch import load_file, save_file
from small_models import BERT_NAMES, SENTENCE
from transformers import PreTrainedTokenizerFast

from models import HeadlightError, errors, load_model
from models.checkpoints import by_layer
from viz import heatmap

WEIGHTS = "model.safetensors"
KEY = "encoder.layer.1.attention.self.key"
QUERY = "encoder.layer.0.attention.self.query"


@pytest.fixture
def folder(folder_of, tmp_path) -> Path:
    """A small BERT to spoil, called `spoilt`."""
    return Path(shutil.copytree(folder_of("bert"), tmp_path / "spoilt"))


def configure(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(kind: type[HeadlightError], sentence: str, folder: Path, **options: Any) -> None:
    """One sentence in one line, that begins so and ends with a remedy; no path of this machine in it."""
    with pytest.raises(kind) as caught:
        load_model(str(folder), **options)
    said = str(caught.value)
    assert said.startswith(sentence), said
    assert said.endswith(".")
    assert "\n" not in said
    assert "/tmp" not in said
    assert len(said) < 500


def change(folder: Path, changes: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / WEIGHTS)
    changes(weights)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


# Bytes of a file: its header is 8 bytes of length, then JSON.


def header(raw: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def with_header(described: dict[str, Any], data: bytes) -> bytes:
    packed = json.dumps(described).encode()
    return struct.pack("<Q", len(packed)) + packed + data


def described_otherwise(**of_first: Any) -> Callable[[bytes], bytes]:
    def spoil(raw: bytes) -> bytes:
        described, data = header(raw)
        described["embeddings.word_embeddings.weight"] |= of_first
        return with_header(described, data)

    return spoil


def overlapping(raw: bytes) -> bytes:
    described, data = header(raw)
    described[f"{KEY}.weight"]["data_offsets"] = described[f"{QUERY}.weight"]["data_offsets"]
    return with_header(described, data)


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "shorter than a length": lambda raw: raw[:7],
    "cut in the header": lambda raw: raw[:500],
    "cut in the weights": lambda raw: raw[:-1],
    "longer than described": lambda raw: raw + b"\0",
    "garbage": lambda raw: bytes(range(256)) * 9,
    "a page of the web": lambda raw: b"<!DOCTYPE html><html><body>404</body></html>",
    "a pointer to a large file": lambda raw: (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:53aa\nsize 90868376\n"
    ),
    "a header of a terabyte": lambda raw: struct.pack("<Q", 2**40) + raw[8:],
    "a header longer than the file": lambda raw: struct.pack("<Q", len(raw)) + raw[8:],
    "a header that is a list": lambda raw: struct.pack("<Q", 2) + b"[]",
    "overlapping weights": overlapping,
    "weights beyond the end": described_otherwise(data_offsets=[0, 10**12]),
    "a negative size": described_otherwise(shape=[-157, 42]),
    "a size that its bytes are not": described_otherwise(shape=[157, 43]),
    "a size that overflows": described_otherwise(shape=[2**62, 2**62]),
    "an unknown type": described_otherwise(dtype="F99"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named(damage, folder):
    (folder / WEIGHTS).write_bytes(DAMAGED[damage]((folder / WEIGHTS).read_bytes()))
    refused(errors.BrokenModel, "model.safetensors of spoilt is no whole safetensors file (", folder)


@pytest.mark.parametrize("name", ["config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b"null", b"7", b'"x"', b"{", b'{"a":' * 5000])
def test_whatever_a_file_holds_the_answer_is_a_sentence(name, content, folder):
    (folder / name).write_bytes(content)
    with pytest.raises(HeadlightError, match=r"^[^\n]*spoilt[^\n]*: [^\n]*\.$"):
        load_model(str(folder))


def test_flipped_bits_in_a_header_are_refused_or_told(folder):
    """A header with one bit flipped may still describe weights, under another name: then the lacking one is told."""
    raw = (folder / WEIGHTS).read_bytes()
    length, dice, told = struct.unpack("<Q", raw[:8])[0], random.Random(3), 0
    for _ in range(40):
        flipped = bytearray(raw)
        flipped[8 + dice.randrange(length)] ^= 1 << dice.randrange(8)
        (folder / WEIGHTS).write_bytes(flipped)
        try:
            notices = load_model(str(folder)).card.notices
        except HeadlightError:
            told += 1
        else:
            # Position ids and the pooler are no part of attention, nor are the file's own notes.
            told += any("1 weight is not in the checkpoint" in notice for notice in notices)
    assert told >= 36


def sharded(folder: Path) -> dict[str, Any]:
    """Split the weights into two files, and return the index."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(weights)
    files = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, held in files.items():
        save_file({name: weights[name] for name in held}, folder / file, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, held in files.items() for name in held}}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    return index


def test_a_sharded_checkpoint_is_the_same_model(folder, loaded):
    sharded(folder)
    model = load_model(str(folder))
    assert model.card.notices == ()
    expected = loaded("bert").trace(SENTENCE)["encoder"].layer(1)
    np.testing.assert_array_equal(model.trace(SENTENCE)["encoder"].layer(1), expected)


def test_a_missing_or_damaged_shard_is_named(folder):
    sharded(folder)
    second = folder / "model-2.safetensors"
    whole = second.read_bytes()
    second.write_bytes(whole[:-9])
    refused(errors.BrokenModel, "model-2.safetensors of spoilt is no whole safetensors file (", folder)
    second.unlink()
    refused(errors.BrokenModel, "model-2.safetensors of spoilt is missing: fetch the model again.", folder)


def test_an_index_that_names_a_weight_which_its_file_lacks(folder):
    index = sharded(folder)
    index["weight_map"]["encoder.layer.7.weight"] = "model-1.safetensors"
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    refused(
        errors.BrokenModel,
        "model-1.safetensors of spoilt lacks encoder.layer.7.weight, which the weight index expects in it: fetch or",
        folder,
    )


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no heads": ({"num_attention_heads": 0}, "The config.json of spoilt says num_attention_heads is 0, expected 1 to"),
    "no width": ({"hidden_size": 0}, "The config.json of spoilt says hidden_size is 0, expected 1 to 2,147,483,648: "),
    "negative layers": (
        {"num_hidden_layers": -2},
        "The config.json of spoilt says num_hidden_layers is -2, expected 1",
    ),
    "negative width": ({"intermediate_size": -53}, "The config.json of spoilt makes no model ("),
    "a billion layers": ({"num_hidden_layers": 10**9}, "The config.json of spoilt says num_hidden_layers is 1,000,000"),
    "a billion labels": (
        {"num_labels": 10**9},
        "The config.json of spoilt says num_labels is 1,000,000,000, expected ",
    ),
    "nested": (
        {"text_config": {"num_layers": 10**6}},
        "The config.json of spoilt says num_layers is 1,000,000, expect",
    ),
    "a terabyte of words": (
        {"vocab_size": 6 * 10**9 // 1000},
        "The config.json of spoilt does not belong to its weights: it describes 1.0 GB, its files hold 145 kB; save or",
    ),
    "hundreds of terabytes": (
        {"hidden_size": 3 * 10**6},
        "The config.json of spoilt does not belong to its weights: it describes 3",
    ),
    "more than there are numbers": ({"vocab_size": 2**31, "hidden_size": 3 * 2**29}, "The config.json of spoilt "),
    "unknown activation": (
        {"hidden_act": "swoosh"},
        "The config.json of spoilt says hidden_act is 'swoosh', which this version of transformers does not know: save",
    ),
    "heads that do not divide": ({"num_attention_heads": 5}, "The config.json of spoilt makes no model (The hidden si"),
}


@pytest.mark.parametrize("why", CONFIGS)
def test_sizes_that_are_no_models(why, folder):
    changes, sentence = CONFIGS[why]
    configure(folder, **changes)
    refused(errors.BrokenModel, sentence, folder)


def test_a_config_that_is_cut_off(folder):
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text[: len(text) // 2])
    refused(errors.UnknownModel, "spoilt has no readable config.json (", folder)


def test_weights_of_another_architecture(folder, folder_of):
    shutil.copy(folder_of("gpt2") / WEIGHTS, folder / WEIGHTS)
    refused(
        errors.BrokenModel,
        "The weights of spoilt are another architecture's: a BertModel expects encoder.layer.0.attention.output.Layer"
        "Norm.bias, the checkpoint has none of its layers but h.0.attn.c_attn.bias, h.0.attn.c_attn.weight; save or",
        folder,
    )


def test_newly_initialised_weights_are_named_by_layer(folder):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if ".layer.1." in name or "embeddings.LayerNorm" in name]:
            del weights[name]

    change(folder, spoil)
    assert load_model(str(folder)).card.notices == (
        "18 weights are not in the checkpoint and were initialised at random (embeddings.LayerNorm.bias, "
        "embeddings.LayerNorm.weight, encoder.layer.1 (16)): do not trust pictures of these layers or of any after "
        "them.",
    )


def test_names_of_weights_in_few_words():
    names = [f"a.layer.{number}.{part}" for number in (10, 2, 9) for part in ("x", "y")] + ["a.embed"]
    assert by_layer(names) == "a.embed, a.layer.2 (2), a.layer.9 (2), a.layer.10 (2)"
    assert by_layer([f"{letter}.w" for letter in "abcdefgh"]) == "a.w, b.w, c.w, d.w, e.w, f.w and 2 more"


# Tokenizers

FOREIGN_TOKENIZER = (
    "it may be another model's, and then every picture is of a text that the model reads as something else."
)


def save_tokenizer(folder: Path, backend: Any, **special: str) -> None:
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)


def test_added_tokens_beyond_the_embeddings(folder):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=small_models.wordpiece(), **BERT_NAMES)
    n_padded = 157 - len(tokenizer)  # embeddings that no token has yet
    tokenizer.add_tokens([*(f"token{number}" for number in range(n_padded)), "zebra", "quagga"])
    tokenizer.save_pretrained(folder)
    model = load_model(str(folder))
    assert model.card.notices == (
        "The tokenizer knows tokens that the model has no embedding for ('zebra', id 157 and 1 more; there are 157 "
        "embeddings): a text that holds one is refused.",
    )
    assert model.trace("the cat").kinds == ("encoder",)
    with pytest.raises(errors.BrokenModel, match="The tokenizer gives 'zebra' the id 157, but spoilt has only 157"):
        model.trace("the zebra")


def test_a_far_smaller_vocabulary_and_other_special_tokens(folder_of, tmp_path):
    folder = Path(shutil.copytree(folder_of("roberta"), tmp_path / "spoilt"))
    save_tokenizer(folder, small_models.unigram(), pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    n_tokens = small_models.unigram().get_vocab_size()
    assert load_model(str(folder)).card.notices == (
        f"The tokenizer has {n_tokens} tokens for the model's 307 embeddings: {FOREIGN_TOKENIZER}",
        f"The tokenizer gives special tokens other ids than config.json (eos 1, expected 2, pad 0, expected 1): "
        f"{FOREIGN_TOKENIZER}",
    )


def test_a_tokenizer_without_special_tokens(folder):
    (folder / "tokenizer.json").unlink()
    words = small_models.Tokenizer(small_models.pieces.WordLevel({"the": 7, "cat": 9, "dog": 11}, "the"))
    words.pre_tokenizer = small_models.pre_tokenizers.Whitespace()
    save_tokenizer(folder, words)
    trace = load_model(str(folder)).trace("the cat dog")
    assert [token.text for token in trace["encoder"].query_tokens] == ["the", "cat", "dog"]


# Numbers


def test_nan_weights_are_named_and_shown_as_they_are(folder):
    change(folder, lambda weights: weights[f"{KEY}.weight"][3, :5].fill_(torch.nan))
    model = load_model(str(folder))
    assert model.card.notices == (
        f"1 weight tensor is damaged: {KEY}.weight (5 of 1,764 values NaN); pictures show what the model computes with "
        "them, values that are no numbers as such: fetch or save the model again.",
    )
    # The capture was proven with zeros in their place: a number, and the family's own way.
    assert model.card.capture == "replayed"
    assert model.card.proof <= 2e-6
    assert int(torch.isnan(model.module.get_parameter(f"{KEY}.weight")).sum()) == 5
    found = model.trace(SENTENCE)["encoder"]
    assert np.isfinite(found.layer(0)).all()
    # Row 3 of the projection belongs to head 0 (14 wide); the others of the layer are untouched.
    assert np.isnan(found.weights(1, 0)).all()
    assert np.isfinite(found.weights(1, 1)).all()
    assert np.isnan(found.pooled(1, 0, size=3)).all()
    assert "pink: not a number" in heatmap(found, layer=1, head=0).layout.title.text


def test_infinite_weights_are_named_with_nan_ones(folder):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[f"{KEY}.weight"][3, :5] = torch.nan
        weights["embeddings.LayerNorm.bias"][0] = -torch.inf

    change(folder, spoil)
    told = load_model(str(folder)).card.notices[0]
    assert told.startswith(
        "2 weight tensors are damaged: embeddings.LayerNorm.bias (1 of 42 values infinite), "
        f"{KEY}.weight (5 of 1,764 values NaN); "
    )


@pytest.mark.parametrize("family", ["gpt2", "deberta-v2", "t5"])
def test_nan_weights_do_not_change_the_way_of_capture_or_the_kinds(family, folder_of, loaded, tmp_path):
    folder = Path(shutil.copytree(folder_of(family), tmp_path / "spoilt"))
    change(folder, lambda weights: weights[max(weights, key=lambda name: weights[name].numel())][5].fill_(torch.nan))
    card, expected = load_model(str(folder)).card, loaded(family).card
    assert (card.kinds, card.capture) == (expected.kinds, expected.capture)
    assert card.proof <= 2e-6
    assert card.notices[0].startswith("1 weight tensor is damaged: ")


def test_numbers_too_large_for_the_computation_are_told_by_head(folder):
    change(folder, lambda weights: weights["encoder.layer.0.output.LayerNorm.weight"].mul_(1e38))
    card = load_model(str(folder)).card
    assert card.notices == (
        "3 heads are not a number on a short text (layer 1 head 0, layer 1 head 1, layer 1 head 2): the weights are "
        "damaged or too large for this dtype.",
    )
    # Without a number in a layer there is no proof: the model's own weights are shown.
    assert card.capture == "materialised"


def test_numbers_too_large_for_the_dtype_are_told_by_name(folder):
    change(folder, lambda weights: weights[f"{KEY}.weight"][0, 0].fill_(1e5))
    assert load_model(str(folder)).card.notices == ()
    told = load_model(str(folder), dtype="float16").card.notices[0]
    assert told.startswith(f"1 weight tensor is damaged: {KEY}.weight (1 of 1,764 values infinite); ")


def test_dead_queries_are_told_and_uniform(folder):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[f"{QUERY}.weight"].zero_()
        weights[f"{QUERY}.bias"].zero_()

    change(folder, spoil)
    model = load_model(str(folder))
    assert model.card.notices == (
        f"1 weight matrix holds one value only: {QUERY}.weight (all 0); they tell no token from another, so attention "
        "that depends on them is uniform or the same everywhere.",
        "3 heads attend to every token alike on a short text (layer 0 head 0, layer 0 head 1, layer 0 head 2): "
        "no query or key tells tokens apart there.",
    )
    weights = model.trace("the cat sat")["encoder"].weights(0, 2)
    assert weights.min() == weights.max()


def test_one_dead_head_of_a_decoder_is_told(folder_of, tmp_path):
    folder = Path(shutil.copytree(folder_of("llama"), tmp_path / "spoilt"))
    change(folder, lambda weights: weights["layers.1.self_attn.q_proj.weight"][20:30].zero_())  # head 2, 10 wide
    assert load_model(str(folder)).card.notices == (
        "1 head attends to every token alike on a short text (layer 1 head 2): "
        "no query or key tells tokens apart there.",
    )


# Formats of other libraries


@pytest.mark.parametrize(
    ("quantised", "method"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq"),
        ({"quant_method": "awq", "bits": 4}, "awq"),
        ({"load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
    ],
)
def test_quantised_models(quantised, method, folder):
    sentence = f"spoilt is quantised ({method}), and its exact weights cannot be read here, which are expected as float"
    configure(folder, quantization_config=quantised)
    refused(errors.ForeignFormat, sentence, folder)


@pytest.mark.parametrize(
    ("dtype", "called"), [(torch.int8, "I8"), (torch.uint8, "U8"), (torch.float8_e4m3fn, "F8_E4M3")]
)
def test_quantised_weights_that_config_does_not_tell_of(dtype, called, folder):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights[f"{KEY}.weight"] = (40 * weights[f"{KEY}.weight"]).to(dtype)

    change(folder, spoil)
    refused(
        errors.ForeignFormat, f"spoilt is quantised ({KEY}.weight has the type {called}), expected float32, ", folder
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_read(dtype, folder):
    change(folder, lambda weights: weights.update({name: values.to(dtype) for name, values in weights.items()}))
    card = load_model(str(folder)).card
    assert (card.dtype, card.notices) == ("float32", ())


@pytest.mark.parametrize("with_config", [False, True])
def test_an_adapter(with_config, folder):
    (folder / WEIGHTS).rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "org/base", "peft_type": "LORA"})
    )
    if not with_config:
        (folder / "config.json").unlink()
    refused(
        errors.ForeignFormat,
        "spoilt is an adapter for org/base and no whole model (adapter_config.json): merge it into its base model (mer",
        folder,
    )


FOREIGN = {
    "model-q4.gguf": "GGUF (model-q4.gguf)",
    "onnx/model.onnx": "ONNX (onnx/model.onnx)",
    "saved_model.pb": "TensorFlow (saved_model.pb)",
    "openvino_model.xml": "OpenVINO (openvino_model.xml)",
}


@pytest.mark.parametrize("with_config", [False, True])
@pytest.mark.parametrize("name", FOREIGN)
def test_weights_of_other_libraries(name, with_config, folder):
    (folder / WEIGHTS).unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"GGUF")
    if not with_config:
        (folder / "config.json").unlink()
    refused(errors.ForeignFormat, f"spoilt has its weights in the format of {FOREIGN[name]}, expected safeten", folder)


def test_foreign_weights_beside_safetensors_do_no_harm(folder):
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"")
    (folder / "pytorch_model.bin").write_bytes(b"")
    assert load_model(str(folder)).card.notices == ()


def modules_json(path: str) -> str:
    kinds = [("Transformer", path), ("Pooling", "1_Pooling")]
    return json.dumps([{"idx": 0, "name": "0", "path": where, "type": f"st.models.{kind}"} for kind, where in kinds])


def test_a_folder_of_sentence_transformers(folder, tmp_path, loaded):
    outer = tmp_path / "sentences"
    outer.mkdir()
    folder.rename(outer / "0_Transformer")
    (outer / "modules.json").write_text(modules_json("0_Transformer"))
    model = load_model(str(outer))
    assert (model.card.name, model.card.notices) == ("sentences", ())
    expected = loaded("bert").trace(SENTENCE)["encoder"].layer(1)
    np.testing.assert_array_equal(model.trace(SENTENCE)["encoder"].layer(1), expected)


@pytest.mark.parametrize("path", ["../spoilt", "/etc", "\0", "x" * 5000, "linked"])
def test_a_folder_of_sentence_transformers_may_not_lead_out(path, folder, tmp_path):
    outer = tmp_path / "sentences"
    outer.mkdir()
    (outer / "linked").symlink_to(folder)
    (outer / "modules.json").write_text(modules_json(path))
    with pytest.raises(errors.UnknownModel, match=r"^sentences has no config\.json"):
        load_model(str(outer))


@pytest.mark.parametrize("with_config", [False, True])
def test_a_training_folder_says_which_checkpoint(with_config, folder, tmp_path):
    outer = tmp_path / "training"
    outer.mkdir()
    for step in ("500", "1000"):
        shutil.copytree(folder, outer / f"checkpoint-{step}")
    if with_config:
        shutil.copy(folder / "config.json", outer)
        refused(
            errors.UnsafeWeights,
            "training has no weights, but folders in it are models: give one of them (checkpoint-500, checkpoint-1000)",
            outer,
        )
    else:
        refused(
            errors.UnknownModel,
            "training has no config.json, but folders in it do: give one of them (checkpoint-500, checkpoint-1000).",
            outer,
        )
    assert load_model(str(outer / "checkpoint-1000")).card.name == "checkpoint-1000"
