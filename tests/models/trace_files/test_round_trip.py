"""A trace that is saved and loaded is the same to the bit, in both formats, for every kind of layer."""

import json
import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import Attention, AttentionTrace, Token
from models.capture.masks import Spans
from models.capture.replay import MaterialisedLayer, Replay
from models.errors import BadTrace, CannotWrite, NoAnswer
from models.outputs import Names, Outputs
from models.patches import Patches
from models.sound import Sound
from models.source import Source
from tests.helpers.hand_made import attention, random_weights, tokens
from tests.helpers.same_trace import assert_same_attention, assert_same_trace, bits

N_QUERY, N_KEY, D_HEAD = 5, 7, 11
SUFFIXES = ("npz", "json")
FULL = Source(
    **{"model": "hand\nmade", "revision": "r", "architecture": "A", "device": "cpu", "dtype": "bfloat16"},
    **{
        "capture": "replayed",
        "text": "猫 sat 👩‍👩‍👧",
        "text_pair": "",
        "target": "t",
        "generate": 3,
        "image": "sha256:1",
    },
    **{"generated": " on", "words": ("a", ""), "words_pair": (), "ids": (1, 2), "messages": (("user", "hello"),)},
    **{"add_special_tokens": False, "src_lang": "de_DE", "tgt_lang": "en", "audio": "sha256:2"},
)


def sides() -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    full = Token("##a\n", 2**40, 3, 9, True, "·a", 1, True, 4, "assistant", 0.1)
    queries, keys = (
        list(tokens(*(f"{side}{n}" for n in range(count)))) for side, count in (("q", N_QUERY), ("k", N_KEY))
    )
    return (*queries[:-1], full), (replace(full, text="", display="''"), *keys[1:])


def odd(*shape: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Random numbers of a type, among them the ones that a text of digits loses."""
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
    made.view(-1)[:4] = torch.tensor([float("nan"), float("-inf"), -0.0, torch.finfo(dtype).tiny]).to(dtype)
    return made


def every_layer() -> list:
    """A layer of each kind: types of numbers, grouped queries, masks, biases, sinks."""
    spans = Spans(torch.tensor([0, 0, 1, 2, 4]), torch.tensor([1, 2, 5, 7, 4]))
    holes = torch.rand(6, N_QUERY, N_KEY, generator=torch.Generator().manual_seed(1)) > 0.4
    additive = torch.zeros(1, N_QUERY, N_KEY).masked_fill(~holes[:1], torch.finfo(torch.float32).min)
    bias = odd(6, N_QUERY, N_KEY, dtype=torch.bfloat16, seed=2)
    made = []
    for number, dtype in enumerate((torch.float16, torch.bfloat16, torch.float32, torch.float64)):
        query, key = odd(6, N_QUERY, D_HEAD, dtype=dtype, seed=3), odd(2, N_KEY, D_HEAD, dtype=dtype, seed=4)
        mask = (spans, holes, additive, None)[number]
        softcap, sinks = (None, 1.5)[number % 2], (odd(6, dtype=dtype, seed=5), None)[number % 2]
        made.append(Replay(query, key, 0.1 + 0.2, mask, (None, bias)[number // 2], number == 3, softcap, sinks))
        made.append(Replay(query.mT.contiguous().mT, key, 1 / 3, mask, bias))
    weights = torch.from_numpy(random_weights(3, N_QUERY, N_KEY))
    return [
        *made,
        MaterialisedLayer(weights, True),
        MaterialisedLayer(weights.double()),
        MaterialisedLayer(weights.half()),
    ]


def full_trace() -> AttentionTrace:
    queries, keys = sides()
    sound = Sound(np.linspace(-1, 1, 13, dtype=np.float32), 16_000, ("cut",))
    grid = (Patches(1, 2, 3, (0.1, 0.0, 1.0, 0.9)),)
    cross = Attention(
        "cross",
        every_layer(),
        queries,
        keys,
        FULL,
        key_patches=grid,
        annotations={"task": "copying", "sound": sound},
        notices=("a", "b"),
    )
    own = Attention("decoder", [MaterialisedLayer(torch.rand(2, 5, 5), True)], queries, queries, FULL)
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    logits = odd(N_QUERY, 3, dtype=torch.float32, seed=9)
    outputs = Outputs("token-classification", queries, "", logits, names=Names({0: "no", 2: "yes"}, "sigmoid"))
    return AttentionTrace({"decoder": own, "cross": cross}, ("it was cut",), FULL, image, outputs)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_field_of_a_trace_comes_back_to_the_bit(tmp_path, suffix):
    trace, path = full_trace(), tmp_path / f"it.{suffix}"
    trace.save(path)
    assert os.listdir(tmp_path) == [path.name]  # nothing is left beside it
    read = AttentionTrace.load(str(path))
    assert_same_trace(trace, read)
    first = [layer.mask.first for layer in read["cross"]._layers[:2]]
    assert first[0] is first[1]
    assert read["cross"]._layers[2].mask is read["cross"]._layers[3].mask
    read.save(tmp_path / f"again.{suffix}")
    assert path.read_bytes() == (tmp_path / f"again.{suffix}").read_bytes()


def test_an_npz_opens_with_numpy_and_with_unzip_alone(tmp_path):
    trace, path = full_trace(), tmp_path / "it.npz"
    trace.save(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert json.loads(archive.read("trace.json"))["format"] == "headlight-trace"
        masks = [name for name in archive.namelist() if name.endswith(("mask.npy", "bias.npy", "first.npy"))]
    assert len(masks) == 4  # of 8 layers: equal masks and biases are written once
    with np.load(path, allow_pickle=False) as arrays:
        assert bits(arrays["cross/0/query"]) == bits(trace["cross"].replay(0).query.numpy())
        assert bits(arrays["cross/2/key"]) == bits(trace["cross"].replay(2).key.view(torch.uint16).numpy())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_views_are_saved_as_their_weights(tmp_path, suffix):
    pieces = tuple(replace(token, word=at // 2) for at, token in enumerate(tokens(*"abcdefg", special=[0])))
    random = torch.Generator().manual_seed(3)
    layers = [Replay(*torch.randn(2, 3, 7, 11, generator=random), 0.4, causal=True) for _ in range(2)]
    att = Attention("decoder", layers, pieces, pieces, FULL)
    for number, view in enumerate((att.words(), att.hide(special=True), att.combine([(0, 1), (1, 2)], "mean"))):
        AttentionTrace.of(view).save(tmp_path / f"{number}.{suffix}")
        read = AttentionTrace.load(tmp_path / f"{number}.{suffix}")["decoder"]
        assert_same_attention(view, read, views=True)
        assert read._layers[0].causal == (number != 1)


def test_annotations_that_no_file_holds_are_named(tmp_path):
    att = attention(random_weights(2, 3, 5, 7))._copy(annotations={"task": "dates", "truth": object()})
    AttentionTrace.of(att).save(tmp_path / "it.npz")
    read = AttentionTrace.load(tmp_path / "it.npz")
    assert read["cross"].annotations == {"task": "dates"}
    assert read.notices == ("What the maker of this trace noted of it was not saved: truth.",)


def test_what_cannot_be_saved_is_refused_and_leaves_the_file_as_it_was(tmp_path):
    trace, path = full_trace(), tmp_path / "it.npz"
    trace.save(path)
    before = path.read_bytes()
    queries, _ = sides()
    eighth = torch.zeros(2, 5, 5).to(torch.float8_e5m2)
    odd_type = AttentionTrace.of(Attention("decoder", [MaterialisedLayer(eighth)], queries, queries, FULL))
    halved = AttentionTrace.of(attention(random_weights(1, 1, 1, 1), tokens("\ud800")))
    for wrong, sentence in ((odd_type, "float8"), (halved, "half a character")):
        with pytest.raises(CannotWrite, match=sentence):
            wrong.save(path)
    with pytest.raises(CannotWrite, match=r"saved as .npz or .json, not as it.pt"):
        trace.save(tmp_path / "it.pt")
    with pytest.raises(CannotWrite, match="give one of these suffixes"):
        trace.save("a\0.npz")
    with pytest.raises(CannotWrite, match=r"it.npz cannot be written .No such file or directory."):
        trace.save(tmp_path / "missing" / "it.npz")
    assert (os.listdir(tmp_path), path.read_bytes()) == ([path.name], before)


def test_no_file_stays_open(tmp_path):
    full_trace().save(tmp_path / "it.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "it.npz").read_bytes()[:-7])
    before = os.listdir("/proc/self/fd")
    AttentionTrace.load(tmp_path / "it.npz")
    with pytest.raises(BadTrace) as refusal:
        AttentionTrace.load(tmp_path / "cut.npz")
    assert os.listdir("/proc/self/fd") == before, refusal


@pytest.mark.slow
@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt_oss", "t5", "deberta-v2", "modernbert"])
def test_a_model_s_trace_comes_back_to_the_bit(tmp_path, loaded, family):
    trace = loaded(family).trace("The lazy dog was tired, and the quick brown fox was not.")
    for suffix in SUFFIXES:
        trace.save(tmp_path / f"it.{suffix}")
        assert_same_trace(trace, AttentionTrace.load(tmp_path / f"it.{suffix}"))


@pytest.mark.slow
def test_words_need_the_model(tmp_path, folder_of):
    from models import load_model
    from tests.helpers.small_models import with_head

    trace = load_model(with_head("llama", tmp_path / "llama"), dtype="bfloat16").trace("The cat sat.")
    trace.save(tmp_path / "it.npz")
    read = AttentionTrace.load(tmp_path / "it.npz")
    assert_same_trace(trace, read)
    assert read["decoder"]._layers[0].weights.dtype == torch.bfloat16
    with pytest.raises(NoAnswer, match="saved without its model"):
        read.outputs.top_words(0)


@pytest.mark.slow
def test_pictures_and_sounds_come_back_to_the_bit(tmp_path):
    from models import load_model
    from tests.helpers.picture_models import build_text_picture
    from tests.helpers.sound_models import TARGET, save_whisper, vowels

    photo = (np.indices((40, 60)).sum(0)[..., None] * [1, 2, 3] % 256).astype(np.uint8)
    sees = load_model(build_text_picture("llava", tmp_path / "llava")).trace("what is it", image=photo)
    hears = load_model(save_whisper(tmp_path / "whisper")).trace(audio=vowels(), target=TARGET)
    for number, trace in enumerate((sees, hears)):
        trace.save(tmp_path / f"{number}.npz")
        assert_same_trace(trace, AttentionTrace.load(tmp_path / f"{number}.npz"))
