"""Checkpoints that are damaged, incomplete or at odds with config.json: each is refused or told by name."""

from __future__ import annotations

import json
import random
import shutil
import struct
from collections.abc import Callable
from typing import Any

import pytest
import torch

from models import HeadlightError, errors, load_model
from models.checkpoints.weights import group_by_layer
from tests.helpers.corrupt import KEY, QUERY, WEIGHTS, change, configure, refused

pytestmark = pytest.mark.slow

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
    refused(errors.BrokenModel, "model.safetensors of spoilt is not a whole safetensors file (", folder)


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


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no heads": ({"num_attention_heads": 0}, "The config.json of spoilt says num_attention_heads is 0, expected 1 to"),
    "no width": ({"hidden_size": 0}, "The config.json of spoilt says hidden_size is 0, expected 1 to 2,147,483,648: "),
    "negative layers": (
        {"num_hidden_layers": -2},
        "The config.json of spoilt says num_hidden_layers is -2, expected 1",
    ),
    "negative width": ({"intermediate_size": -53}, "The config.json of spoilt does not make a model ("),
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
        "The config.json of spoilt does not belong to its weights: it describes 1.0 GB, its files contain 145 kB; save",
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
    "heads that do not divide": (
        {"num_attention_heads": 5},
        "The config.json of spoilt does not make a model (The hidden si",
    ),
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
        "The weights of spoilt belong to another architecture: a BertModel expects encoder.layer.0.attention.output."
        "LayerNorm.bias, the checkpoint has none of its layers but h.0.attn.c_attn.bias, h.0.attn.c_attn.weight; save",
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
    assert group_by_layer(names) == "a.embed, a.layer.2 (2), a.layer.9 (2), a.layer.10 (2)"
    assert group_by_layer([f"{letter}.w" for letter in "abcdefgh"]) == "a.w, b.w, c.w, d.w, e.w, f.w and 2 more"
