"""How long the vectors are that each head passes on: ||f(x)||, f(x) = (x W_V + b_V) W_O (Kobayashi et al. 2020)."""

from __future__ import annotations

from collections import defaultdict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.capture.forward import body, role_of
from models.capture.projection import Projections


class ValueLengths:
    """Computes ||f(x)|| of each head and key while a pass runs: an `OnLayerOutput`, and a context around the pass.

    `lengths` has for each role (models/capture/forward.py) one tensor `[head, key]` in float32 a layer, in the order
    of the computation. `refused` has role, layer and reason, a part of a sentence, for each layer without a known one.
    """

    def __init__(self, module: PreTrainedModel) -> None:
        self._module = body(module)
        self._projections = Projections()
        self.lengths: dict[str, list[Tensor]] = defaultdict(list)
        self.refused: list[tuple[str, int, str]] = []

    def __enter__(self) -> ValueLengths:
        self._projections.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._projections.__exit__(*error)  # type: ignore[arg-type]

    def __call__(self, module: nn.Module, value: Tensor, output: Tensor) -> None:
        """Follow the output of a layer to its projection."""
        role = role_of(self._module, module)
        layers = self.lengths[role]
        number, n_heads = len(layers), output.shape[2]
        layers.append(torch.empty(0, device="cpu"))

        def compute(weight: Tensor) -> None:
            if value.shape[-1] == output.shape[-1]:
                layers[number] = _lengths(value[0], weight, n_heads)

        def end(reason: str) -> None:
            if not reason and not layers[number].numel():
                reason = "the values have another size than the output of the heads"
            if reason:
                self.refused.append((role, number, reason))

        self._projections.follow(output, compute, end)


def _lengths(
    value: Float[Tensor, "kv_head key d_value"], weight: Float[Tensor, "input width"], n_heads: int
) -> Float[Tensor, "head key"]:
    """Return ||f(x)|| of each head, one head at a time: all of them would take the memory of a feed-forward layer."""
    group, d_value = n_heads // value.shape[0], value.shape[2]
    lengths = [
        (value[head // group].float() @ weight[head * d_value : (head + 1) * d_value].float()).norm(dim=-1)
        for head in range(n_heads)
    ]
    return torch.stack(lengths).cpu()
