"""Saved models with one damaged file: opened and traced, or refused."""

import json
import os
import shutil
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

from transformers import AutoModel

from benchmarks.fuzzing.mutations import NUMBERS, STRINGS, mutated_bytes, mutated_json, written
from benchmarks.fuzzing.texts import folder_of
from models import load_model
from models.images import probe_picture
from tests.helpers.e2e_models import save_gpt, save_vit

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
# The file that is spoilt, and the families whose folders have one.
FAMILIES = {
    "config.json": ("bert", "gpt2", "t5", "llama", "bart", "roberta", "gemma2", "gpt_oss", "modernbert", "vit"),
    "tokenizer.json": ("bert", "gpt2", "t5", "llama", "bart"),
    "tokenizer_config.json": ("bert", "gpt2", "t5", "llama", "bart"),
    "preprocessor_config.json": ("vit",),
    "generation_config.json": ("gpt", "bart"),
    WEIGHTS: ("bert", "gpt2"),
    INDEX: ("shards",),
}


@dataclass(frozen=True)
class Spoilt:
    """A family's folder, and what stands in one of its files instead."""

    family: str
    file: str
    raw: bytes


@cache
def saved(family: str) -> Path:
    """Return the folder of a small model, built once for each process."""
    folder = Path(mkdtemp(prefix="fuzz-")) / family
    if family == "vit":
        return save_vit(folder)
    if family == "gpt":
        return save_gpt(folder)
    if family == "shards":
        shutil.copytree(folder_of("bert"), folder)
        (folder / WEIGHTS).unlink()
        AutoModel.from_pretrained(folder_of("bert")).save_pretrained(folder, max_shard_size="60kB")
        return folder
    return folder_of(family)


def make_folder(file: str, dice: Random) -> Spoilt:
    """Return a family and a spoilt file: by its structure, more rarely blindly."""
    family = dice.choice(FAMILIES[file])
    path = saved(family) / file
    raw = path.read_bytes() if path.exists() else b"{}"
    if file == WEIGHTS:
        return Spoilt(family, file, _spoilt_weights(dice, raw))
    if dice.random() < 0.06:
        return Spoilt(family, file, dice.choice((b"", b"\0" * 100, dice.randbytes(300), b"null", b"[]", b"1", b'"x"')))
    value = json.loads(raw)
    if dice.random() < 0.25:
        _exchange_sizes(dice, value)
    if file == "tokenizer.json" and dice.random() < 0.5:
        # The library refuses most of what is spoilt at random: half of it within one part, a table of pieces or a rule.
        part = dice.choice([name for name in value if value[name]])
        value[part] = _spoilt_part(dice, value[part])
        return Spoilt(family, file, json.dumps(value).encode())
    # One deed more often than several: most folders that are refused are refused for the first.
    return Spoilt(family, file, written(dice, mutated_json(dice, value, dice.choice((0, 1, 1)))))


def _spoilt_part(dice: Random, part: Any) -> Any:
    """Return a part of a tokenizer with pieces, numbers or patterns exchanged for others of the same type."""
    if isinstance(part, dict) and isinstance(part.get("vocab"), dict) and dice.random() < 0.7:
        vocabulary = part["vocab"]
        for piece in dice.sample(sorted(vocabulary), dice.choice((1, 2, 20))):
            number = vocabulary.pop(piece)
            vocabulary[dice.choice((piece, *STRINGS[:20]))] = dice.choice(
                (number, 0, 1, 5, 96, 500, 10**6, 2**31, 2**32 - 1)
            )
        return part
    if isinstance(part, dict):
        for name, value in part.items():
            if isinstance(value, bool) and dice.random() < 0.5:
                part[name] = not value
            elif isinstance(value, str) and name != "type" and dice.random() < 0.3:
                part[name] = dice.choice(STRINGS[:30])
        return part
    return mutated_json(dice, part, 1)


def _exchange_sizes(dice: Random, value: object) -> None:
    """Change a few settings at the top, where the sizes of a model stand, to other numbers or words."""
    if isinstance(value, dict):
        for name in dice.sample(sorted(value), min(len(value), dice.choice((1, 2, 5)))):
            value[name] = (
                dice.choice((*NUMBERS, *STRINGS)) if isinstance(value[name], (int, float, str)) else value[name]
            )


def _spoilt_weights(dice: Random, raw: bytes) -> bytes:
    """Return a safetensors file with another header, or other bytes in its header."""
    length = int.from_bytes(raw[:8], "little")
    if dice.random() < 0.2:  # other weights, some of which are no numbers
        spoilt = bytearray(raw)
        for place in dice.sample(range(8 + length, len(raw)), dice.choice((1, 4, 400))):
            spoilt[place] = dice.choice((0, 127, 128, 255))
        return bytes(spoilt)
    if dice.random() < 0.4:
        return mutated_bytes(dice, raw, last=8 + length)
    header = mutated_json(dice, json.loads(raw[8 : 8 + length]))
    if isinstance(header, dict) and dice.random() < 0.3:
        tensors = [tensor for name, tensor in header.items() if isinstance(tensor, dict) and "shape" in tensor]
        one = dice.choice(tensors)
        one[dice.choice(("dtype", "shape", "data_offsets"))] = dice.choice(
            (
                "F64",
                "F16",
                "I8",
                "BOOL",
                "F4",
                "X",
                [],
                [1],
                [0, 0],
                [2**63, 2],
                [-1, -1],
                [10**30],
                [0, 2**64],
                [1.5],
                "1",
            )
        )
    text = written(dice, header)
    header_length = dice.choice(
        (len(text), len(text), len(text), len(text), 0, 1, 2**63, 2**64 - 1, 99_999_999, len(raw))
    )
    return struct.pack("<Q", header_length) + text + raw[8 + length :]


def open_folder(spoilt: Spoilt) -> list[str]:
    """Open a model whose file is spoilt; one that opens is looked at."""
    place = Path(mkdtemp(prefix="fuzz-")) / "spoilt"
    try:
        place.mkdir()
        for path in saved(spoilt.family).iterdir():
            if path.name != spoilt.file:
                os.link(path, place / path.name)
        (place / spoilt.file).write_bytes(spoilt.raw)
        model = load_model(place)
        if model.card.modality == "image":
            trace = model.trace(image=probe_picture())
        else:
            model.estimate("The cat sat.")
            trace = model.trace("The cat sat.", generate=3 if model.card.writes else 0)
        att = trace[trace.kinds[0]]
        att.weights(0, 0)
        return [*model.card.notices, *trace.notices]
    finally:
        shutil.rmtree(place.parent, ignore_errors=True)
