"""Headers of safetensors files are read without the file: as safetensors reads them, however large the file is."""

from __future__ import annotations

import json
import random
import re
import struct
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models import HeadlightError, errors, load_model
from models.checkpoints.headers import Stored, read_header, read_headers
from tests.helpers.corrupt import WEIGHTS, refused


def theirs(path: Path) -> dict[str, Stored] | None:
    """What safetensors itself reads, None where it refuses."""
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            return {name: Stored(tuple(one.get_shape()), one.get_dtype()) for name, one in slices.items()}
    except SafetensorError:
        return None


def ours(path: Path) -> dict[str, Stored] | None:
    try:
        return read_header(path, "spoilt")
    except errors.BrokenModel:
        return None


@pytest.fixture
def small(tmp_path) -> Path:
    tensors = {
        "a.weight": torch.ones(3, 5),
        "b": torch.ones(7, dtype=torch.bfloat16),
        "scalar": torch.tensor(2.0),
        "empty": torch.ones(0, 3),
        "ids": torch.arange(11),
        "mask": torch.ones(2, dtype=torch.bool),
        "eighth": torch.ones(2, 3).to(torch.float8_e4m3fn),
        "complex": torch.ones(2, dtype=torch.complex64),
    }
    save_file(tensors, tmp_path / "small.safetensors", metadata={"format": "pt"})
    return tmp_path / "small.safetensors"


def test_a_header_is_read_as_safetensors_reads_it(small):
    assert ours(small) == theirs(small)
    assert read_header(small, "spoilt")["a.weight"] == Stored((3, 5), "F32")


def test_whatever_is_wrong_safetensors_refuses_what_is_refused_here(small):
    """Bits flipped in the header, one or two: both read the same, or both refuse."""
    raw = small.read_bytes()
    length, dice, accepted = struct.unpack("<Q", raw[:8])[0], random.Random(5), 0
    for _ in range(1000):
        flipped = bytearray(raw)
        for _ in range(dice.choice((1, 1, 2))):
            flipped[dice.choice((dice.randrange(8), 8 + dice.randrange(length)))] ^= 1 << dice.randrange(8)
        small.write_bytes(flipped)
        found = ours(small)
        assert found == theirs(small), bytes(flipped)
        accepted += found is not None
    assert 10 < accepted < 990


def written(path: Path, described: str, n_bytes: int = 0) -> Path:
    path.write_bytes(struct.pack("<Q", len(described)) + described.encode() + bytes(n_bytes))
    return path


@pytest.mark.parametrize(
    ("described", "n_bytes", "why"),
    [
        ("[]", 0, "its header is not a JSON object of tensors and notes"),
        ('{"a":', 0, "its header is not JSON"),
        ('{"a":' * 5000, 0, "its header is not JSON"),
        ('{"__metadata__": {"n": 1}}', 0, "its header is not a JSON object of tensors and notes"),
        ('{"__metadata__": []}', 0, "its header is not a JSON object of tensors and notes"),
        ('{"a": 1}', 0, "a has the type None, which safetensors does not know"),
        ('{"a": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}', 4, "a has no shape and offsets that"),
        ('{"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}', 4, "a has no shape and offsets that"),
        ('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}', 4, "a has no shape and offsets that"),
        ('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}', 4, "a has no shape and offsets that are whole"),
        ('{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}', 4, "a has 4 bytes, its shape and type need"),
        ('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', 8, "a begins at byte 4 of the weights, ex"),
        ('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', 9, "its header describes 4 bytes of weigh"),
        ('{"a": {"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}}', 1, "a has 1 bytes, its shape and type need"),
    ],
)
def test_what_is_wrong_is_said(described, n_bytes, why, tmp_path):
    path = written(tmp_path / "x.safetensors", described, n_bytes)
    assert theirs(path) is None
    sentence = f"x.safetensors of spoilt is not a whole safetensors file ({why}"
    with pytest.raises(errors.BrokenModel, match=f"^{re.escape(sentence)}"):
        read_header(path, "spoilt")


def test_a_name_given_twice_is_refused(tmp_path):
    one = '"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    with pytest.raises(errors.BrokenModel, match=r"\(its header contains a name twice\): fetch it again\.$"):
        read_header(written(tmp_path / "x.safetensors", f"{{{one}, {one}}}", 4), "spoilt")


def empty_tensors(first: int, count: int) -> str:
    entry = '"%07d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return "{" + ",".join(entry % number for number in range(first, first + count)) + "}"


def test_a_header_above_ten_megabytes_is_never_read(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 10_000_001))
    with path.open("r+b") as file:
        file.truncate(10**10)
    sentence = "x.safetensors of spoilt is not a whole safetensors file (its header has 10,000,001 bytes, expected 10"
    with pytest.raises(errors.BrokenModel, match=f"^{re.escape(sentence)},000,000 at most\\): fetch it again\\.$"):
        read_header(path, "spoilt")


def test_a_header_of_too_many_tensors_is_refused_before_any_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("models.tensor_headers.MAX_TENSORS", 500)
    monkeypatch.setattr("models.tensor_headers._parse_header", lambda raw: pytest.fail("parsed"))
    described = empty_tensors(0, 502)
    sentence = "x.safetensors of spoilt is not a whole safetensors file (its header describes 503 tensors, expected 500"
    with pytest.raises(errors.BrokenModel, match=f"^{re.escape(sentence)}"):
        read_header(written(tmp_path / "x.safetensors", described), "spoilt")


@pytest.mark.parametrize(("limit", "value"), [("MAX_TENSORS", 500), ("_MAX_BYTES_IN_ALL", 60_000)])
def test_the_headers_of_all_files_count_together(limit, value, tmp_path, monkeypatch):
    paths = [written(tmp_path / f"{number}.safetensors", empty_tensors(400 * number, 400)) for number in range(3)]
    assert [len(found) for found in read_headers(paths, "spoilt").values()] == [400, 400, 400]
    monkeypatch.setattr(f"models.checkpoints.headers.{limit}", value)
    sentence = "The weight files of spoilt describe "
    with pytest.raises(errors.BrokenModel, match=f"^{sentence}.* at most: save or fetch the model again\\.$"):
        read_headers(paths, "spoilt")


def test_more_dimensions_than_a_tensor_can_have(tmp_path):
    described = json.dumps({"a": {"dtype": "F32", "shape": [1] * 65, "data_offsets": [0, 4]}})
    with pytest.raises(errors.BrokenModel, match=r"\(a has no shape and offsets that are whole numbers from 0\)"):
        read_header(written(tmp_path / "x.safetensors", described, 4), "spoilt")


def index(folder: Path, weights: dict[str, str]) -> Path:
    (folder / WEIGHTS).unlink()
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": weights}))
    return folder


@pytest.mark.slow
def test_an_index_of_too_many_weights_is_never_parsed(folder):
    refused(
        errors.BrokenModel,
        "The weight index of spoilt has 201,003 entries, expected 201,000 at most: save or fetch the model again.",
        index(folder, {str(number): "a.safetensors" for number in range(201_002)}),
    )


def test_an_index_of_too_many_files_is_refused(folder):
    refused(
        errors.BrokenModel,
        "The weight index of spoilt names 2,001 files, expected 2,000 at most: save or fetch the model again.",
        index(folder, {str(number): f"{number}.safetensors" for number in range(2001)}),
    )


def sparse(path: Path, n_numbers: int) -> None:
    """A whole file of so many float32 that takes no room on the disk."""
    described = json.dumps(
        {
            "embeddings.word_embeddings.weight": {
                "dtype": "F32",
                "shape": [n_numbers],
                "data_offsets": [0, 4 * n_numbers],
            }
        }
    )
    written(path, described)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 4 * n_numbers)


@pytest.mark.slow
@pytest.mark.parametrize(("n_bytes", "shown"), [(26 * 10**9, "31.2 GB"), (4 * 10**12, "4.8 TB")])
def test_a_file_larger_than_the_machine_is_refused_with_the_estimate(n_bytes, shown, folder, monkeypatch):
    """Nothing of it is mapped: the system would refuse that with an error of its own, or let the process die."""
    monkeypatch.setattr("models.memory.free_bytes", lambda: 7 * 10**9)
    (folder / WEIGHTS).unlink()
    sparse(folder / WEIGHTS, n_bytes // 4)
    refused(errors.NotEnoughMemory, f"Loading spoilt needs about {shown}, and 7.0 GB are free: choose", folder)


@pytest.mark.slow
def test_a_mapping_that_the_system_refuses_all_the_same_is_a_refusal(folder, monkeypatch):
    def fail(*given, **options):
        raise RuntimeError("unable to mmap 26000000000 bytes from file </x>: Cannot allocate memory (12)")

    monkeypatch.setattr("transformers.modeling_utils.PreTrainedModel.from_pretrained", fail)
    with pytest.raises(HeadlightError) as caught:
        load_model(str(folder))
    assert type(caught.value) is errors.NotEnoughMemory
    assert str(caught.value) == (
        "spoilt takes more memory than is free: choose a smaller model or close other programs."
    )
