"""Traces as files: bytes, seconds and memory of a 12 x 12 model at 8,192 tokens, beside `numpy.savez` of weights."""

import tempfile
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil
import torch

from benchmarks.table import Report, met, milliseconds, size, timed
from models import Attention, AttentionTrace, Source, Token
from models.capture.masks import Spans
from models.capture.replay import Replay

LAYERS, HEADS, D_HEAD = 12, 12, 64
# Weights of 8,192 tokens would take 39 GB; `numpy.savez` writes those of 1,024.
LENGTHS = (1_024, 8_192)
FEASIBLE = 1_024
MOST_BYTES, MOST_BESIDE = 1.0e9, 0.15


def make_trace(n_tokens: int) -> AttentionTrace:
    """Return a decoder's trace of random queries and keys."""
    dice = torch.Generator().manual_seed(1)
    tokens = tuple(Token(f"word{n}", n, 5 * n, 5 * n + 4, False, f"word{n}") for n in range(n_tokens))
    mask = Spans.causal(n_tokens, n_tokens, torch.device("cpu"))
    layers = [
        Replay(*torch.randn(2, HEADS, n_tokens, D_HEAD, generator=dice), D_HEAD**-0.5, mask) for _ in range(LAYERS)
    ]
    source = Source("random", "", "", "cpu", "float32", "replayed", "")
    return AttentionTrace.of(Attention("decoder", layers, tokens, tokens, source))


def _reset_peak() -> int:
    """Return the resident bytes of this process, and count its peak from now on (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return psutil.Process().memory_info().rss


def _peak() -> int:
    """Return the peak of this process in bytes since `_reset_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _save(n_tokens: int, path: str, how: str, answer: Connection) -> None:
    """Save in another process; answer with the seconds and the bytes that it took beside the trace itself."""
    trace = make_trace(n_tokens)
    before = _reset_peak()
    if how == "trace":
        answer.send((timed(lambda: trace.save(path)), _peak() - before))
        return
    att = trace["decoder"]
    weights = {f"layer_{number}": att.layer(number) for number in range(LAYERS)}
    answer.send((timed(lambda: np.savez(path, **weights)), _peak() - before))


def _load(n_tokens: int, path: str, how: str, answer: Connection) -> None:
    before, kept = _reset_peak(), []
    seconds = timed(lambda: kept.append(AttentionTrace.load(path)))
    answer.send((seconds, _peak() - before))


def _alone(work: object, *given: object) -> tuple[float, int]:
    mine, its = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=work, args=(*given, its))
    process.start()
    its.close()
    try:
        return mine.recv()
    finally:
        process.join()


def main(report: Report) -> None:
    """Print what files take."""
    rows, found = [], {}
    for n_tokens, how in [*((n_tokens, "trace") for n_tokens in LENGTHS), (FEASIBLE, "numpy.savez of the weights")]:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "it.npz")
            saving, beside = _alone(_save, n_tokens, path, how)
            n_bytes = Path(path).stat().st_size
            loading, peak = _alone(_load, n_tokens, path, how)
        found[n_tokens, how] = n_bytes, beside, peak
        rows.append(
            (f"{n_tokens:,}", how, size(n_bytes), milliseconds(saving), size(beside), milliseconds(loading), size(peak))
        )
    report.table(
        f"Trace files of a model of {LAYERS} x {HEADS} heads with {D_HEAD} numbers each",
        ("tokens", "file", "bytes", "saving", "memory beside the trace", "loading", "memory with the trace"),
        rows,
        "Each in its own process, by the most memory that it took. What saving takes beside a trace are pieces of "
        "tensors; for `numpy.savez` it includes the weights, which a trace computes when it is asked. Weights of 8,192 "
        f"tokens would take {size(4 * LAYERS * HEADS * 8192**2)}.",
    )
    n_bytes, beside, peak = found[LENGTHS[-1], "trace"]
    report.table(
        "Trace files: to reach",
        ("what", "measured", "to reach", "met"),
        [
            ("bytes at 8,192 tokens", size(n_bytes), f"at most {size(MOST_BYTES)}", met(n_bytes <= MOST_BYTES)),
            (
                "memory beside the trace while it is saved",
                size(beside),
                "15% of it",
                met(beside <= MOST_BESIDE * n_bytes),
            ),
            ("memory while it is loaded", size(peak), "115% of it", met(peak <= (1 + MOST_BESIDE) * n_bytes)),
        ],
    )
