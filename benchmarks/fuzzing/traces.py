"""Trace files that are none: the good ones, which benchmarks/fuzzing/spoilt_traces.py spoils, and how they are read."""

import io
import json
import resource
import warnings
from functools import cache
from pathlib import Path
from random import Random
from tempfile import mkdtemp

import numpy as np
import torch
from safetensors.numpy import save as save_safetensors

import viz
from benchmarks.fuzzing.checks import Failed
from benchmarks.fuzzing.mutations import mutated_bytes
from benchmarks.fuzzing.spoilt_traces import SPOILERS, flipped, npy_bytes
from models import Attention, AttentionTrace, Source, Token
from models.capture.masks import Spans
from models.capture.replay import MaterialisedLayer, Replay
from models.memory import readable
from models.outputs import Names, Outputs
from models.patches import Patches
from models.sound import Sound

SUFFIXES = ("npz", "json", "csv", "npy", "safetensors")
# What reading a file may take: enough for every good one here, far less than the bombs say.
MAX_BYTES = 50_000_000
# By how many bytes one reading may raise the peak memory of the process.
MOST_PEAK = 3 * MAX_BYTES


@cache
def _trace() -> AttentionTrace:
    """Return a good trace that has every field."""
    dice = torch.Generator().manual_seed(1)
    queries = tuple(Token(f"q{n}", n, n, n + 1, n == 0, f"q{n}", 0, False, n) for n in range(5))
    keys = tuple(Token(f"k{n}", n, None, None, False, f"k{n}", 1, role="user", seconds=n / 2) for n in range(7))
    spans = Spans(torch.tensor([0, 0, 1, 2, 4]), torch.tensor([1, 2, 5, 7, 4]))
    query, key = torch.randn(6, 5, 3, generator=dice), torch.randn(2, 7, 3, generator=dice).bfloat16()
    mask, bias = torch.rand(6, 5, 7, generator=dice) > 0.3, torch.randn(1, 5, 7, generator=dice)
    layers = [
        Replay(query, key, 0.5, spans, softcap=2.0, sinks=torch.randn(6, generator=dice)),
        Replay(query, key, 0.5, mask, bias, causal=True),
        MaterialisedLayer(torch.rand(2, 5, 7, generator=dice)),
    ]
    source = Source("m", "r", "A", "cpu", "float32", "replayed", "a text", words=("a", "b"), messages=(("user", "x"),))
    annotations = {"task": "copying", "sound": Sound(np.zeros(11, np.float32), 16_000)}
    cross = Attention("cross", layers, queries, keys, source, key_patches=(Patches(1, 2, 3),), annotations=annotations)
    outputs = Outputs("text-classification", (), "", torch.randn(3, generator=dice), names=Names({0: "no"}, "softmax"))
    return AttentionTrace({"cross": cross}, ("a notice",), source, np.zeros((2, 3, 3), np.uint8), outputs)


@cache
def good(suffix: str) -> tuple[bytes, ...]:
    """Return good files of a format."""
    folder = Path(mkdtemp())
    trace, found = _trace(), []
    if suffix in ("npz", "json"):
        trace.save(folder / f"it.{suffix}")
        found.append((folder / f"it.{suffix}").read_bytes())
    if suffix in ("npz", "csv"):
        found.append(viz.export(trace["cross"], "table", suffix, heads="0.2,1.1").data)
    weights = {f"layer_{number}": trace["cross"].layer(number) for number in range(2)}
    if suffix == "npz":
        file = io.BytesIO()
        np.savez(file, **weights, tokens=np.array([f"q{n}" for n in range(5)]), key_tokens=np.array(list("abcdefg")))
        found.append(file.getvalue())
    if suffix == "npy":
        found.append(npy_bytes(np.stack(list(weights.values()))))
    if suffix == "safetensors":
        found.append(save_safetensors(weights, {"tokens": json.dumps([f"q{n}" for n in range(5)])}))
    return tuple(found)


def make_trace(dice: Random) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a file that is spoilt somewhere."""
    suffix = dice.choice(("npz", "npz", "npz", "json", "json", "csv", "npy", "safetensors"))
    raw = dice.choice(good(suffix))
    deed = dice.randrange(10)
    if deed == 0:
        raw = raw[: dice.randrange(len(raw))]
    elif deed == 1:
        raw = flipped(dice, raw)
    elif deed == 2:
        raw = mutated_bytes(dice, raw)
    elif deed == 3 and dice.random() < 0.2:
        raw = dice.choice((b"", dice.randbytes(300), b"\x93NUMPY", b"PK\x05\x06" + bytes(18), raw + raw, b"{" * 9_000))
    else:
        raw = SPOILERS[suffix](dice, raw)
    return (suffix if dice.random() < 0.98 else dice.choice((*SUFFIXES, "pt", "", "NPZ"))), raw


def read_trace(given: tuple[str, bytes]) -> list[str]:
    """Load the file and read all weights; return the notices of the trace."""
    suffix, raw = given
    path = _place().with_suffix(f".{suffix}" if suffix else "")
    path.write_bytes(raw)
    before = _peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each warning is a notice as well
            trace = AttentionTrace.load(path, max_bytes=MAX_BYTES)
            for kind in trace:
                for layer in range(trace[kind].n_layers):
                    trace[kind].pooled_layer(layer, 8)
                    trace[kind].mask(layer, 0)
        return [notice for notice in trace.notices if notice != "a notice"]
    finally:
        path.unlink()
        if _peak() - before > MOST_PEAK:
            raise Failed(f"took {readable(_peak() - before)}")


@cache
def _place() -> Path:
    return Path(mkdtemp()) / "it"


def _peak() -> int:
    """Return the peak memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
