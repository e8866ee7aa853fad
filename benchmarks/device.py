"""An accelerator next to the CPU: every weight of the same texts compared, and what one head of a text costs."""

from collections.abc import Callable
from contextlib import ExitStack
from statistics import median

import numpy as np
import torch

from benchmarks.fresh import peak_of
from benchmarks.shapes import minilm, modernbert_folder, text_of
from benchmarks.table import Report, interleaved, met, milliseconds, size, timed
from models import Model, load_model
from models.capture.forward import model_inputs
from models.capture.interface import IMPLEMENTATION

LENGTHS = {"MiniLM": (16, 128, 512), "ModernBERT shape": (16, 128, 512, 2048)}
# Measured on an H200: 3.3e-6 (MiniLM, 512 tokens). There the weights are 5.2e-6 from those in float64, and the CPU's
# own are 6.6e-6 from them: the forward pass rounds, on either device.
TOLERANCE = 1e-5
LAYER, HEAD = 3, 2


def worst_difference(model: Model, other: Model, n_tokens: int) -> float:
    """Return the largest absolute difference of any weight between two devices."""
    text = text_of(n_tokens)
    one, two = (each.trace(text)["encoder"] for each in (model, other))
    return max(float(np.abs(one.layer(layer) - two.layer(layer)).max()) for layer in range(one.n_layers))


def contestants(model: Model, cpu: Model, text: str) -> dict[str, Callable[[], float]]:
    """Return, by name, functions that bring one head of a text to the CPU and return the seconds that took."""
    module = model.module
    inputs = model_inputs(module, model.tokenizer(text))

    def eager() -> tuple[torch.Tensor, ...]:
        return module(**inputs, output_attentions=True).attentions

    works = {
        "cpu": (IMPLEMENTATION, lambda: cpu.trace(text)["encoder"].weights(LAYER, HEAD)),
        "trace": (IMPLEMENTATION, lambda: model.trace(text)["encoder"].weights(LAYER, HEAD)),
        "eager": ("eager", lambda: eager()[LAYER][0, HEAD].cpu()),
        "eager, all": ("eager", lambda: [layer.cpu() for layer in eager()]),
    }

    def measure(implementation: str, work: Callable[[], object]) -> float:
        module.set_attn_implementation(implementation)
        torch.cuda.synchronize()
        with torch.inference_mode():
            return timed(work)  # all end on the CPU, so nothing is left to wait for

    return {name: lambda parts=parts: measure(*parts) for name, parts in works.items()}


def costs(model: Model, cpu: Model, n_tokens: int, device: str) -> list[str]:
    """Return the cells of a row: times, and the growth of the device's memory."""
    works = contestants(model, cpu, text_of(n_tokens))
    taken = interleaved(works, seconds=5)
    grown = [peak_of(works[who], device)[1] for who in ("trace", "eager")]
    model.module.set_attn_implementation(IMPLEMENTATION)
    return [*(milliseconds(median(taken[who])) for who in works), *(size(each) for each in grown)]


def main(report: Report, device: str = "cuda") -> None:
    """Print the worst difference and the costs for both models; nothing to compare on the CPU itself."""
    if device == "cpu":
        return
    differences, times = [], []
    with ExitStack() as stack:
        folders = (stack.enter_context(minilm()), stack.enter_context(modernbert_folder()))
        for title, name in zip(LENGTHS, folders, strict=True):
            model, cpu = (load_model(name, device=place) for place in (device, "cpu"))
            for n_tokens in LENGTHS[title]:
                worst = worst_difference(model, cpu, n_tokens)
                row = (title, f"{n_tokens:,}")
                differences.append((*row, f"{worst:.1e}", f"at most {TOLERANCE:g}", met(worst <= TOLERANCE)))
                times.append((*row, *costs(model, cpu, n_tokens, device)))
    where = torch.cuda.get_device_name(device)
    header = ("model", "tokens", "worst difference of a weight", "to reach", "met")
    report.table(f"Weights on {where} against the CPU", header, differences)
    header = ("model", "tokens", "CPU: `model.trace`", "`model.trace`", "eager, this head", "eager, all heads")
    report.table(
        f"A text and one head on {where}",
        (*header, "memory: `trace`", "memory: eager"),
        times,
        "From the text to the head's weights on the CPU. A trace keeps the queries and keys of all heads there, so "
        "that the next head costs no forward pass. Eager starts from token ids; its other weights stay on the GPU, or "
        "all of them are copied. Memory is the growth of the peak on the GPU, by torch's own count.",
    )
