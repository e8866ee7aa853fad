"""What the effects of all heads of MiniLM cost next to one plain pass, and next to a pass with a hook for each head."""

from collections.abc import Callable
from statistics import median
from time import process_time

import numpy as np
import torch
from torch import nn

from analysis import effects
from benchmarks.shapes import minilm
from benchmarks.table import Report, interleaved, met, milliseconds, ratio
from models import Model, load_model
from models.capture.forward import model_inputs
from models.capture.interface import IMPLEMENTATION

TEXT = "The cat sat on the mat because it was tired."
MOST_PASSES = 20
TOLERANCE = 1e-4


def processor_time(work: Callable[[], object]) -> float:
    """Return the seconds of the processor that a piece of work takes, so that other programs do not count."""
    start = process_time()
    work()
    return process_time() - start


def hooked_passes(module: nn.Module, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    """Return the cosine without each head, from a pass for each, in which a hook zeroes what the head gives."""
    n_heads = module.config.num_attention_heads
    width = module.config.hidden_size // n_heads

    def embedding() -> torch.Tensor:
        return module(**inputs).last_hidden_state[0].mean(0)

    def without(layer: nn.Module, head: int) -> torch.Tensor:
        def zero(part: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            states = given[0].clone()
            states[..., head * width : (head + 1) * width] = 0
            return (states, *given[1:])

        handle = layer.attention.output.dense.register_forward_pre_hook(zero)
        try:
            return embedding()
        finally:
            handle.remove()

    before = embedding()
    found = [
        torch.cosine_similarity(without(layer, head), before, dim=0)
        for layer in module.encoder.layer
        for head in range(n_heads)
    ]
    return torch.stack(found).numpy()


def contestants(model: Model) -> dict[str, Callable[[], float]]:
    """Return, by name, functions that do the work once and return its seconds."""
    module = model.module
    inputs = model_inputs(module, model.tokenizer(TEXT))
    works = {
        "plain": ("sdpa", lambda: module(**inputs)),
        "effects": (IMPLEMENTATION, lambda: effects(model, TEXT)),
        "uniform": (IMPLEMENTATION, lambda: effects(model, TEXT, "uniform")),
        "hooks": ("sdpa", lambda: hooked_passes(module, inputs)),
    }

    def measure(implementation: str, work: Callable[[], object]) -> float:
        module.set_attn_implementation(implementation)
        with torch.inference_mode():
            return processor_time(work)

    found = {name: lambda parts=parts: measure(*parts) for name, parts in works.items()}
    with torch.inference_mode():
        module.set_attn_implementation("sdpa")
        expected = hooked_passes(module, inputs)
        module.set_attn_implementation(IMPLEMENTATION)
        np.testing.assert_allclose(effects(model, TEXT)["cosine"], expected, rtol=0, atol=TOLERANCE)
    return found


def main(report: Report) -> None:
    """Print the table."""
    with minilm() as folder:
        model, n_threads = load_model(folder), torch.get_num_threads()
        torch.set_num_threads(1)
        taken = interleaved(contestants(model), seconds=20)
        torch.set_num_threads(n_threads)
        model.module.set_attn_implementation(IMPLEMENTATION)
    passes = {name: ratio(taken[name], taken["plain"]) for name in taken}
    worst = max(passes["effects"], passes["uniform"])
    names = {
        "plain": "one plain pass (SDPA)",
        "effects": "`effects(model, text)`, 72 heads",
        "uniform": '`effects(model, text, "uniform")`, 72 heads',
        "hooks": "72 plain passes, each with a hook that zeroes a head",
    }
    rows = [
        (
            title,
            milliseconds(median(taken[name])),
            f"{passes[name]:.1f}",
            f"at most {MOST_PASSES}" if name in ("effects", "uniform") else "–",
            met(passes[name] <= MOST_PASSES) if name in ("effects", "uniform") else "–",
        )
        for name, title in names.items()
    ]
    faster = ratio(taken["hooks"], taken["effects"])
    report.table(
        "Effects of all heads, MiniLM at 13 tokens",
        ("what", "time", "plain passes", "to reach", "met"),
        rows,
        f"The hooks take {faster:.1f} times as long as `effects` (worst ratio {worst:.1f}). All four take turns in one "
        "process with one thread; times are medians of the processor's time, ratios are medians of the turns' own "
        f"ratios. The figures of `effects` and of the hooks agree to {TOLERANCE:g}. Rows that differ from a layer on "
        "share the layers before it.",
    )
