"""How bytes, memory and time grow with the length of a text, up to 8,192 tokens; each length in its own process."""

from dataclasses import is_dataclass
from statistics import median

import numpy as np
import torch

from benchmarks.fresh import in_new_process, peak_of
from benchmarks.shapes import modernbert_folder, text_of
from benchmarks.table import Report, met, milliseconds, size, timed
from models import Attention, load_model

LENGTHS = (512, 1024, 2048, 4096, 8192)
THUMBNAIL = 48
WINDOW = 128
MOST_BYTES = 5e9


def measure_length(name: str, device: str, n_tokens: int) -> dict[str, float]:
    """Trace a text, pool the maps of all heads, open one exact window; called in a new process."""
    model = load_model(name, device=device)
    model.trace(text_of(16))
    found: dict[str, float] = {}

    def visit() -> None:
        traces = []
        found["trace"] = timed(lambda: traces.append(model.trace(text_of(n_tokens))))
        att = traces[0]["encoder"]
        maps = []
        found["maps"] = timed(lambda: maps.extend(att.pooled_layer(layer, THUMBNAIL) for layer in range(att.n_layers)))
        middle = slice(n_tokens // 2, n_tokens // 2 + WINDOW)
        opened = [timed(lambda: att.weights(att.n_layers // 2, 0, queries=middle, keys=middle)) for _ in range(9)]
        found["window"] = median(opened)
        found["held"] = held_bytes(att)
        found["weights"] = 4 * att.n_layers * att.n_heads * n_tokens**2

    found["peak"], found["grown"] = peak_of(visit)
    return found


def held_bytes(att: Attention) -> int:
    """Return the bytes that a trace keeps alive: whole storages, each counted once."""
    storages = {}
    parts = [part for layer in att._layers for part in vars(layer).values()]
    while parts:
        part = parts.pop()
        if isinstance(part, torch.Tensor):
            storages[part.untyped_storage().data_ptr()] = part.untyped_storage().nbytes()
        elif is_dataclass(part):  # a mask stored as spans
            parts.extend(vars(part).values())
    return sum(storages.values())


def exponent(lengths: tuple[int, ...], values: list[float]) -> float:
    """Return b of the least-squares fit values = a * lengths ** b on logarithms."""
    return float(np.polyfit(np.log(lengths), np.log(values), 1)[0])


def main(report: Report, device: str = "cpu") -> None:
    """Print the growth on the ModernBERT shape, the fitted exponents, and what was to be reached."""
    with modernbert_folder() as folder:
        found = [
            in_new_process("growth.measure_length", name=folder, device=device, n_tokens=n_tokens)
            for n_tokens in LENGTHS
        ]
    columns = {
        "the weights alone": ("weights", size),
        "a trace holds": ("held", size),
        "peak growth": ("grown", size),
        "peak of the process": ("peak", size),
        "trace": ("trace", milliseconds),
        f"all heads pooled to {THUMBNAIL} x {THUMBNAIL}": ("maps", milliseconds),
        f"a window of {WINDOW} x {WINDOW}, exact": ("window", milliseconds),
    }
    rows = [
        [f"{n_tokens:,}", *(shown(values[key]) for key, shown in columns.values())]
        for n_tokens, values in zip(LENGTHS, found, strict=True)
    ]
    fitted = [exponent(LENGTHS, [values[key] for values in found]) for key, _ in columns.values()]
    rows.append(["fitted exponent", *(f"{power:.2f}" for power in fitted)])
    notes = (
        "Peak growth and peak are resident memory of one process that traces, pools all heads and opens the window; "
        "the exponent b is that of `tokens ** b`, least squares on logarithms. Nobody holds the weights alone.",
    )
    report.table("Growth, the ModernBERT shape", ("tokens", *columns), rows, *notes)
    peak = max(values["peak"] for values in found)
    reached = (f"peak at {max(LENGTHS):,} tokens", size(peak), f"under {size(MOST_BYTES)}", met(peak < MOST_BYTES))
    report.table("Growth, to reach", ("what", "reached", "to reach", "met"), [reached])
