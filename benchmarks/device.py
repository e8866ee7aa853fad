"""Whether an accelerator's weights are the CPU's: the same text traced on both, every weight compared."""

from contextlib import ExitStack

import numpy as np
import torch

from benchmarks.shapes import modernbert_folder, text_of
from benchmarks.table import Report, met
from models import load_model

LENGTHS = (16, 128, 512)
# The replay's own rounding in float32, the forward pass' above it; to be set from what a run on CUDA shows.
TOLERANCE = 1e-4


def worst_difference(name: str, device: str, n_tokens: int) -> float:
    """Return the largest absolute difference of any weight between the CPU and a device."""
    text = text_of(n_tokens)
    one, other = (load_model(name, device=place).trace(text)["encoder"] for place in ("cpu", device))
    return max(float(np.abs(one.layer(layer) - other.layer(layer)).max()) for layer in range(one.n_layers))


def main(report: Report, device: str = "cuda") -> None:
    """Print the worst difference for both models; nothing to compare on the CPU itself."""
    if device == "cpu":
        return
    rows = []
    with ExitStack() as stack:
        for title, name in (("MiniLM", "minilm"), ("ModernBERT shape", stack.enter_context(modernbert_folder()))):
            for n_tokens in LENGTHS:
                worst = worst_difference(name, device, n_tokens)
                rows.append((title, f"{n_tokens:,}", f"{worst:.1e}", f"at most {TOLERANCE:g}", met(worst <= TOLERANCE)))
    header = ("model", "tokens", "worst difference of a weight", "to reach", "met")
    report.table(f"Weights on {torch.cuda.get_device_name(device)} against the CPU", header, rows)
