"""What a trace costs next to the same model's plain forward pass, and next to eager `output_attentions`.

One module with one set of weights is all contestants in turn: only its attention implementation is switched, outside
the time that is measured. All read the same token ids.
"""

from collections.abc import Callable
from statistics import median

import torch

from benchmarks.fresh import in_new_process, peak_of
from benchmarks.shapes import minilm, modernbert_folder, text_of
from benchmarks.table import Report, interleaved, met, milliseconds, ratio, size, timed
from models import Model, load_model
from models.capture.forward import model_inputs, replayed_layers
from models.capture.interface import IMPLEMENTATION

MINILM_LENGTHS = (16, 32, 64, 128, 256, 512)
MODERNBERT_LENGTHS = (512, 1024, 2048)
SHORTEST_MEMORY = 128  # below, the growth is smaller than what the allocator's own pages hide
MOST_OF_PLAIN = 1.05
LEAST_OF_EAGER = 4
MOST_MEMORY = 1 / 5


def contestants(model: Model, text: str) -> dict[str, Callable[[], float]]:
    """Return, by name, functions that run one forward pass over the text and return its seconds."""
    module = model.module
    inputs = model_inputs(module, model.tokenizer(text))
    works = {
        "plain": ("sdpa", lambda: module(**inputs)),
        "traced": (IMPLEMENTATION, lambda: replayed_layers(module, inputs)),
        "trace": (IMPLEMENTATION, lambda: model.trace(text)),
        "eager": ("eager", lambda: module(**inputs, output_attentions=True)),
    }

    def measure(implementation: str, work: Callable[[], object]) -> float:
        module.set_attn_implementation(implementation)

        def finished() -> None:
            work()
            if module.device.type == "cuda":
                torch.cuda.synchronize()

        with torch.inference_mode():
            return timed(finished)

    return {name: lambda parts=parts: measure(*parts) for name, parts in works.items()}


def growth(name: str, device: str, contestant: str, n_tokens: int) -> int:
    """Return the peak growth in bytes of one pass of one contestant; called in a new process."""
    model = load_model(name, device=device)
    contestants(model, text_of(16))[contestant]()
    return peak_of(contestants(model, text_of(n_tokens))[contestant], device)[1]


def report_model(
    report: Report, title: str, name: str, lengths: tuple[int, ...], device: str
) -> dict[int, dict[str, float]]:
    """Print one model's table; return the ratios by length."""
    model = load_model(name, device=device)
    rows, ratios = [], {}
    for n_tokens in lengths:
        taken = interleaved(contestants(model, text_of(n_tokens)), seconds=10)
        grown: dict[str, int] = {}
        if n_tokens >= SHORTEST_MEMORY:
            for who in ("plain", "trace", "eager"):
                grown[who] = in_new_process(
                    "extraction.growth", name=name, device=device, contestant=who, n_tokens=n_tokens
                )
        ratios[n_tokens] = found = {
            "traced / plain": ratio(taken["traced"], taken["plain"]),
            "trace / plain": ratio(taken["trace"], taken["plain"]),
            "eager / trace": ratio(taken["eager"], taken["trace"]),
            "memory": grown["trace"] / grown["eager"] if grown else float("nan"),
        }
        rows.append(
            [
                f"{n_tokens:,}",
                *(milliseconds(median(taken[who])) for who in ("plain", "traced", "trace", "eager")),
                *(f"{found[name]:.2f}" for name in ("traced / plain", "trace / plain")),
                f"{found['eager / trace']:.1f}",
                *(size(grown[who]) if grown else "–" for who in ("plain", "trace", "eager")),
                f"{found['memory']:.2f}" if grown else "–",
            ]
        )
    header = ["tokens", "plain SDPA", "traced forward", "`model.trace`", "eager, weights", "traced / plain"]
    header += [
        "`trace` / plain",
        "eager / `trace`",
        "memory: plain",
        "memory: `trace`",
        "memory: eager",
        "`trace` / eager",
    ]
    where = "" if device == "cpu" else f" on {torch.cuda.get_device_name(device)}"
    report.table(f"Extraction{where}, {title}", header, rows)
    return ratios


def main(report: Report, device: str = "cpu") -> None:
    """Print the tables of both models, and what was to be reached on the CPU."""
    with minilm() as folder:
        small = report_model(report, "MiniLM (6 layers, 12 heads, 384 wide)", folder, MINILM_LENGTHS, device)
    with modernbert_folder() as folder:
        title = "the ModernBERT shape (22 layers, 12 heads, 768 wide, random weights)"
        large = report_model(report, title, folder, MODERNBERT_LENGTHS, device)
    if device != "cpu":  # there a trace ends with the copy of its queries and keys to the CPU
        return
    longest = large[max(large)]
    slowest = max(found["traced / plain"] for found in (*small.values(), *large.values()))
    rows = [
        (
            "traced forward / plain SDPA, at every length",
            f"{slowest:.2f}",
            f"at most {MOST_OF_PLAIN}",
            met(slowest <= MOST_OF_PLAIN),
        ),
        (
            f"eager / `trace` at {max(large):,} tokens",
            f"{longest['eager / trace']:.1f}",
            f"at least {LEAST_OF_EAGER}",
            met(longest["eager / trace"] >= LEAST_OF_EAGER),
        ),
        (
            f"memory growth, `trace` / eager at {max(large):,} tokens",
            f"{longest['memory']:.2f}",
            f"at most {MOST_MEMORY}",
            met(longest["memory"] <= MOST_MEMORY),
        ),
    ]
    notes = (
        "Each length runs the contestants in turns in one process; times are medians, ratios are medians of the turns' "
        "own ratios. The traced forward and the plain one read the same token ids; `model.trace` reads the text.",
        "Memory is the growth of the peak over what was held before the pass, each in a process of its own.",
    )
    report.table("Extraction, to reach", ("what", "reached", "to reach", "met"), rows, *notes)
