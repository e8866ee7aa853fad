"""GGUF files: opened with a notice, compared with an independent dequantisation, or refused before memory is taken."""

from __future__ import annotations

import contextlib
import random
import shutil
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from models import errors, load_model
from models.checkpoints.gguf_headers import read_gguf_header
from tests.helpers.corrupt import refused
from tests.helpers.gguf_models import llama, write_gguf
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import SENTENCE, byte_level

pytestmark = pytest.mark.slow

NOTICE = (
    "The weights are dequantised from {} (a GGUF file): they are those of the quantised model, not the ones that were "
    "trained."
)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A GGUF file with a small Llama in Q8_0, which no test changes."""
    path = tmp_path_factory.mktemp("gguf") / "small.Q8_0.gguf"
    write_gguf(path)
    return path


@pytest.fixture
def file(written, tmp_path) -> Path:
    (tmp_path / "downloads").mkdir()
    return Path(shutil.copy(written, tmp_path / "downloads"))


@pytest.mark.parametrize(("kind", "notice"), [("Q8_0", "Q8_0"), ("Q4_0", "Q4_0"), ("Q4_1", "Q4_1"), ("F16", "")])
def test_weights_are_those_of_an_independent_dequantisation(kind, notice, tmp_path):
    expected = write_gguf(tmp_path / "small.gguf", kind)
    model = load_model(tmp_path / "small.gguf")
    assert model.card.notices == ((NOTICE.format(notice),) if notice else ())
    assert (model.card.name, model.card.writes, model.card.max_tokens) == ("small.gguf", True, 128)
    found = model.module.state_dict()
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), values, err_msg=name)


def test_a_trace_is_the_eager_attention_of_the_dequantised_model(file):
    expected = write_gguf(file.parent / "again.gguf")
    module = llama()
    module.load_state_dict({name: torch.from_numpy(np.array(values)) for name, values in expected.items()})
    module.set_attn_implementation("eager")
    trace = load_model(file).trace(SENTENCE)
    ids = byte_level().encode(SENTENCE).ids
    assert [token.id for token in trace["decoder"].query_tokens] == ids
    with torch.no_grad():
        weights = module(input_ids=torch.tensor([ids]), output_attentions=True).attentions
    for layer, of_layer in enumerate(weights):
        np.testing.assert_allclose(trace["decoder"].layer(layer), of_layer[0].numpy(), atol=OF_PASSES)


def test_a_folder_with_one_file(file):
    card = load_model(file.parent).card
    assert (card.name, card.notices) == ("downloads", (NOTICE.format("Q8_0"),))
    assert card.revision == load_model(f"'{file}'").card.revision


def test_a_folder_with_several_files(file):
    shutil.copy(file, file.parent / "small.Q4.gguf")
    sentence = "downloads contains 2 GGUF files: give the path of one of them (small.Q4.gguf, small.Q8_0.gguf)."
    refused(errors.ForeignFormat, sentence, file.parent)
    load_model(file.parent / "small.Q4.gguf")


def test_files_of_other_models_beside_it_are_not_read(file):
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json", "generation_config.json"):
        (file.parent / name).write_text("{")
    (file.parent / "vocab.txt").symlink_to("/etc/passwd")
    assert load_model(file).card.name == file.name


def test_safetensors_beside_it_count(file, folder):
    shutil.copy(file, folder)
    assert load_model(folder).card.notices == ()


def test_links_and_revisions(file, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "small.gguf").symlink_to(file)
    assert load_model(tmp_path / "linked" / "small.gguf").card.name == "small.gguf"  # whoever names it means it
    refused(errors.UnsafeWeights, "small.gguf of linked points outside the model's folder: copy", tmp_path / "linked")
    with pytest.raises(errors.UnknownModel, match="has no revisions, only a hub id has"):
        load_model(file, revision="main")


def test_an_architecture_that_transformers_does_not_read(tmp_path):
    write_gguf(tmp_path / "small.gguf", architecture="rwkv7")
    sentence = "small.gguf is a GGUF file of the architecture 'rwkv7', which transformers 5."
    refused(errors.ForeignFormat, sentence, tmp_path / "small.gguf")


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def header(*, version: int = 3, tensors: int = 0, settings: int = 0, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, settings) + rest


def setting(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


LLAMA = setting("general.architecture", 8, text("llama"))
HUGE = 2**62
TENSOR = text("token_embd.weight")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it does not begin with GGUF"),
        (b"GGU", "it does not begin with GGUF"),
        (b"\x80\x04PK", "it does not begin with GGUF"),
        (header()[:12], "it ends in the middle of its header"),
        (header(version=1), "its version is 1, expected 2 or 3"),
        (header(version=3 << 24), "its version is 50,331,648, expected 2 or 3"),
        (header(tensors=HUGE), "it describes 4,611,686,018,427,387,904 tensors and 0 settings, expected 200,000"),
        (header(settings=HUGE), "it describes 0 tensors and 4,611,686,018,427,387,904 settings, expected 200,000"),
        (header(settings=1, rest=struct.pack("<Q", HUGE)), "a text in it has 4,611,686,018,427,387,904 bytes, expect"),
        (header(settings=1, rest=setting("a", 9, struct.pack("<IQ", 4, HUGE))), "a list in it has 4,611,686,018,427"),
        (header(settings=1, rest=setting("a", 9, struct.pack("<IQ", 4, 900_000))), "it ends in the middle of its hea"),
        (header(settings=1, rest=setting("a", 9, struct.pack("<IQ", 9, 1))), "a list in it contains values of the ty"),
        (header(settings=1, rest=setting("a", 77, b"")), "a setting has the type 77, which GGUF does not have"),
        (header(settings=2, rest=LLAMA + LLAMA), "it contains general.architecture twice"),
        (header(), "it does not name its architecture"),
        (header(settings=1, rest=setting("general.architecture", 4, b"\0" * 4)), "it does not name its architecture"),
        (header(settings=1, rest=struct.pack("<Q", 2) + b"\xff\xff"), "a text in it is not UTF-8"),
        (
            header(tensors=1, settings=1, rest=LLAMA + TENSOR + struct.pack("<IQQIQ", 2, 2**40, 2**40, 0, 0)),
            "token_embd.weight needs 1152922 TB, the file has",
        ),
        (
            header(tensors=1, settings=1, rest=LLAMA + TENSOR + struct.pack("<I", 2**31)),
            "it contains token_embd.weight twice, or with more than 8 dimensions",
        ),
        (
            header(tensors=1, settings=1, rest=LLAMA + TENSOR + struct.pack("<IQIQ", 1, 5, 999, 0)),
            "token_embd.weight has the type 999, which the library gguf does not know",
        ),
        (
            header(tensors=1, settings=1, rest=LLAMA + TENSOR + struct.pack("<IQIQ", 1, 5, 2, 0)),
            "token_embd.weight has rows of 5 numbers, expected a multiple of 32",
        ),
        (
            header(tensors=1, settings=1, rest=LLAMA + TENSOR + struct.pack("<IQIQ", 1, 9, 0, 64)),
            "its tensors end at byte 228, the file has ",
        ),
    ],
)
def test_headers_that_are_damaged_or_hostile(content, why, tmp_path):
    (tmp_path / "small.gguf").write_bytes(content)
    sentence = f"small.gguf is not a whole GGUF file ({why}"
    refused(errors.BrokenModel, sentence, tmp_path / "small.gguf")


@pytest.mark.parametrize(
    ("key", "number", "expected"),
    [("block_count", 2**31, "1 to 4,096"), ("block_count", 0, "1 to 4,096"), ("embedding_length", 2**31, "1 to 16,7")],
)
def test_sizes_far_from_any_models(key, number, expected, tmp_path):
    rest = LLAMA + setting(f"llama.{key}", 4, struct.pack("<I", number))
    (tmp_path / "small.gguf").write_bytes(header(settings=2, rest=rest))
    sentence = f"small.gguf says llama.{key} is {number:,}, expected {expected}"
    refused(errors.BrokenModel, sentence, tmp_path / "small.gguf")


def test_a_file_that_does_not_fit_is_refused_before_it_is_read(file, monkeypatch):
    monkeypatch.setattr("models.memory.free_bytes", lambda: 100_000)
    monkeypatch.setattr("models.checkpoints.load.load_module", lambda *given: pytest.fail("loaded"))
    refused(errors.NotEnoughMemory, f"Loading {file.name} needs about ", file)


def test_a_file_cut_anywhere_or_spoilt_anywhere_is_refused_in_a_sentence(written, tmp_path):
    """The header reader says yes or gives its sentence; it never raises anything else, and never reads too far."""
    whole = written.read_bytes()
    path, dice = tmp_path / "small.gguf", random.Random(5)
    end = whole.index(b"blk.1.ffn_norm.weight") + 60
    for length in [*range(0, 400), *(dice.randrange(end) for _ in range(100)), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(errors.BrokenModel):
            read_gguf_header(path, "small")
    for _ in range(300):
        spoilt = bytearray(whole)
        for _ in range(dice.choice((1, 3))):
            spoilt[dice.randrange(end)] = dice.randrange(256)
        path.write_bytes(spoilt)
        with contextlib.suppress(errors.BrokenModel):
            read_gguf_header(path, "small")


def test_the_header_says_what_the_library_reads(written):
    found, theirs = read_gguf_header(written, "small"), gguf.GGUFReader(written)
    assert {name: tensor.dtype for name, tensor in found.tensors.items()} == {
        tensor.name: tensor.tensor_type.name for tensor in theirs.tensors
    }
    assert {name: tensor.shape for name, tensor in found.tensors.items()} == {
        tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in theirs.tensors
    }
    assert found.settings["llama.block_count"] == 2
    assert found.settings["tokenizer.ggml.token_type"][:6] == [3, 3, 3, 3, 3, 1]
