"""Files that other programs wrote: arrays of NumPy and safetensors, and tables, also as a spreadsheet saved them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import viz
from models import Attention, AttentionTrace
from models.errors import BadTrace
from models.trace_files.csv_tables import escape, unescape
from tests.helpers.hand_made import HOSTILE, attention, causal_attention, random_weights, tokens

WEIGHTS = random_weights(2, 3, 5, 7)
QUERIES, KEYS = [f"q{n}" for n in range(5)], [f"k{n}" for n in range(7)]
FORMULAS = ("=1+1", "'=1", "''+x", "-", "'quoted'", "@a", "\t", "\r\n", "＝1", "a;b", 'say "no"', ",")


def load(path) -> Attention:
    (att,) = AttentionTrace.load(path).attentions.values()
    return att


def assert_holds(att: Attention, weights: np.ndarray = WEIGHTS) -> None:
    assert (att.n_layers, att.n_heads) == weights.shape[:2]
    for layer in range(att.n_layers):
        np.testing.assert_array_equal(att.layer(layer), weights[layer].astype(np.float32))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_in_any_type_and_order(tmp_path, dtype, order):
    given = np.asarray(WEIGHTS.astype(dtype), order=order)
    np.save(tmp_path / "it.npy", given)
    att = load(tmp_path / "it.npy")
    assert_holds(att, given)
    assert (att.kind, att.source.capture, [token.text for token in att.key_tokens[:2]]) == (
        "cross",
        "given",
        ["0", "1"],
    )


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_with_a_layer_in_each_array(tmp_path, save):
    weights = random_weights(12, 3, 5, 7)  # of 12: by their names alone, layer 10 stands before layer 2
    layers = {f"layer_{number}": one[None] for number, one in enumerate(weights)}
    save(tmp_path / "it.npz", **layers, tokens=np.array(QUERIES), key_tokens=np.array([*KEYS[:-1], "猫😀"]))
    att = load(tmp_path / "it.npz")
    assert_holds(att, weights)
    assert [token.text for token in att.query_tokens] == QUERIES
    assert att.key_tokens[-1].text == "猫😀"


def test_an_npz_with_the_attentions_of_transformers_stacked(tmp_path):
    weights = np.tril(np.ones((2, 3, 5, 5), np.float32)) / np.arange(1, 6, dtype=np.float32)[:, None]
    np.savez(tmp_path / "it.npz", np.stack([layer[None] for layer in weights]))
    att = load(tmp_path / "it.npz")
    assert_holds(att, weights)
    assert (att.kind, bool(att.mask(0, 0)[0, 1])) == ("decoder", False)


def test_a_cache_of_transformer_lens(tmp_path):
    square = random_weights(2, 3, 5, 5)
    cache = {f"blocks.{number}.attn.hook_pattern": square[number][None] for number in (1, 0)}
    others = {"hook_embed": np.zeros((1, 5, 4)), "blocks.0.attn.hook_q": np.zeros((1, 5, 3, 4))}
    np.savez(tmp_path / "it.npz", **cache, **others, tokens=np.array(QUERIES))
    assert_holds(load(tmp_path / "it.npz"), square)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_safetensors(tmp_path, dtype):
    tensors = {f"layers.{number}": torch.from_numpy(layer).to(dtype) for number, layer in enumerate(WEIGHTS)}
    save_file(tensors, tmp_path / "it.safetensors", {"tokens": json.dumps(QUERIES), "key_tokens": json.dumps(KEYS)})
    att = load(tmp_path / "it.safetensors")
    assert_holds(att, np.stack([one.float().numpy() for one in tensors.values()]))
    assert [token.text for token in att.key_tokens] == KEYS


def test_rows_that_do_not_sum_to_1_are_named(tmp_path):
    np.save(tmp_path / "it.npy", WEIGHTS * 0.8)
    with pytest.warns(UserWarning, match="do not sum to 1"):
        trace = AttentionTrace.load(tmp_path / "it.npy")
    assert "0.8" in trace.notices[0]


EVERY = [(layer, head) for layer in range(2) for head in range(3)]


@pytest.mark.parametrize("suffix", ["csv", "npz"])
@pytest.mark.parametrize(
    ("options", "heads"),
    [
        ({}, EVERY),
        ({"layer": 1}, EVERY[3:]),
        ({"layer": 1, "head": 2}, EVERY[5:]),
        ({"heads": "0.2,1.1"}, [EVERY[2], EVERY[4]]),
        ({"region": "3-29:1-7"}, EVERY),
    ],
)
def test_a_table_comes_back(tmp_path, suffix, options, heads):
    texts = tokens(*FORMULAS, *HOSTILE, "", "'")
    att = attention(random_weights(2, 3, len(texts), len(texts)), texts)
    region = slice(3, 30) if "region" in options else slice(None), slice(1, 8) if "region" in options else slice(None)
    viz.save(att, "table", tmp_path / f"it.{suffix}", **options)
    read = load(tmp_path / f"it.{suffix}")
    assert [token.text for token in read.query_tokens] == [token.text for token in texts[region[0]]]
    assert [token.text for token in read.key_tokens] == [token.text for token in texts[region[1]]]
    places = [(layer, head) for layer in range(read.n_layers) for head in range(read.heads_in(layer))]
    for place, (layer, head) in zip(places, heads, strict=True):
        assert read.head_name(*place) == read.hide(first=True).head_name(*place) == att.head_name(layer, head)
        np.testing.assert_array_equal(read.weights(*place), att.weights(layer, head, *region))
    if suffix == "npz":
        assert (read.kind, read.source) == (att.kind, att.source)
    elif "region" not in options:
        assert viz.export(read, "table", "csv").data == (tmp_path / "it.csv").read_bytes()
    AttentionTrace.of(read).save(tmp_path / "again.npz")
    assert load(tmp_path / "again.npz").head_name(*places[-1]) == att.head_name(*heads[-1])


def test_a_spreadsheet_s_own_csv(tmp_path):
    att = causal_attention(5)
    text = viz.export(att, "table", "csv").data.decode("utf-8-sig")
    rows = [line.split(",") for line in text.splitlines()]
    german = "\n".join(";".join(cell.replace(".", ",") for cell in row[:7]) for row in rows)
    (tmp_path / "it.csv").write_bytes(german.encode("utf-8"))
    read = load(tmp_path / "it.csv")
    assert read.kind == "decoder"
    assert_holds(read, np.stack([att.layer(0)]))
    (tmp_path / "it.csv").write_bytes(german.replace("t0", "tö").encode("cp1252"))
    with pytest.raises(BadTrace, match="save it as CSV UTF-8"):
        load(tmp_path / "it.csv")


def test_pairs_that_a_table_lacks_are_no_numbers(tmp_path):
    att = attention(WEIGHTS)
    lines = viz.export(att, "table", "csv").data.splitlines(keepends=True)
    (tmp_path / "it.csv").write_bytes(b"".join([*lines[:3], *lines[5:]]))
    read = load(tmp_path / "it.csv")
    assert "lacks 2 of 210 pairs" in read.notices[0]
    assert np.flatnonzero(np.isnan(read.weights(0, 0))).tolist() == [2, 3]
    (tmp_path / "it.csv").write_bytes(b"".join([*lines, lines[3]]))
    with pytest.raises(BadTrace, match="twice"):
        load(tmp_path / "it.csv")


@pytest.mark.parametrize("text", [*HOSTILE, *FORMULAS, "", "'", "''", "'a"])
def test_an_apostrophe_is_undone(text):
    assert unescape(escape(text)) == text


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"encoder_0": WEIGHTS[0], "decoder_0": WEIGHTS[0]}, "of different things; save one kind"),
        ({"a0": np.array([{}], object)}, "Python objects, which are never read"),
        ({"a0": np.zeros((2, 3), complex)}, "has the type '<c16'.*; save it as float16"),
        ({"a0": np.zeros((3, 5))}, r"shape \[3, 5\]; save weights as"),
        ({"tokens": np.array(["a"])}, "no arrays"),
        ({"a0": WEIGHTS[0], "tokens": np.array(["a"])}, "token"),
    ],
)
def test_what_is_no_attention_is_refused(tmp_path, names, sentence):
    np.savez(tmp_path / "it.npz", **names)
    with pytest.raises(BadTrace, match=sentence) as refusal:
        load(tmp_path / "it.npz")
    assert str(refusal.value).startswith("it.npz ")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("shape", ["9" * 400 + ",", "1 " * 400, "12 34, 5"])
def test_a_shape_that_is_none_is_refused_at_once(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}\n".encode()
    path = tmp_path / "weights.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16))
    with pytest.raises(BadTrace, match="describes no array of numbers"):
        AttentionTrace.load(path)
