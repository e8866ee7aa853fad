"""The cost of a trace in bytes and seconds, estimated before it starts, and the budget that admits or refuses it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import perf_counter

import torch
from torch import nn
from transformers import PreTrainedModel

from models import memory
from models.capture.call_output import BAND_ROWS
from models.capture.replay import Layer, MaterialisedLayer, Replay
from models.errors import NotEnoughMemory, TooLong
from models.memory import readable

log = logging.getLogger("headlight.models")

REMEDY = "shorten the text or choose a smaller model"
# Shorter passes are mostly overhead, so their speed says little of long passes. The first pass over a sentence may take
# half a second, and would give minutes as the estimate of 512 tokens.
MIN_LEARNED_SECONDS, MIN_LEARNED_TOKENS = 0.3, 64
# The multiplications of a softmax for each pair of a head, and the share of a matrix product's speed that a forward
# pass reaches. Measured on two cores with widths of 64 to 768 and 512 to 6,000 tokens: within two fifths of the time.
SOFTMAX, SHARE_OF_SPEED = 80, 0.7


@dataclass(frozen=True)
class Estimate:
    """The cost of a trace: tokens in all, bytes in addition to the loaded model, seconds of the forward pass."""

    n_tokens: int
    n_bytes: int
    seconds: float

    def times(self, n_rows: int) -> Estimate:
        """Return the cost of several rows of this length in one pass."""
        return Estimate(n_rows * self.n_tokens, n_rows * self.n_bytes, n_rows * self.seconds)

    def __str__(self) -> str:
        return f"{self.n_tokens:,} tokens: about {readable_seconds(self.seconds)} and {readable(self.n_bytes)}"


@dataclass(frozen=True)
class Budget:
    """The largest cost of one trace; None: bytes up to a share of the free memory, seconds without limit."""

    n_bytes: int | None = None
    seconds: float | None = None

    def admit(self, estimate: Estimate) -> None:
        """Let work of an estimated cost through.

        Raises:
            NotEnoughMemory: it would not fit into the free memory or the budget.
            TooLong: it would take longer than the budget allows.
        """
        what = f"Tracing {estimate.n_tokens:,} tokens"
        free = memory.free_bytes()
        if estimate.n_bytes > memory.SHARE_OF_FREE * free:
            raise NotEnoughMemory(
                f"{what} needs about {readable(estimate.n_bytes)}, and {readable(free)} are free: {REMEDY}."
            )
        if self.n_bytes is not None and estimate.n_bytes > self.n_bytes:
            raise NotEnoughMemory(
                f"{what} needs about {readable(estimate.n_bytes)}, and this server allows {readable(self.n_bytes)} "
                f"to one text: {REMEDY}."
            )
        if self.seconds is not None and estimate.seconds > self.seconds:
            raise TooLong(
                f"{what} would take about {readable_seconds(estimate.seconds)}, and this server allows "
                f"{readable_seconds(self.seconds)} to one text: {REMEDY}."
            )


class Costs:
    """How a model's costs grow with the number of tokens. `learn` adjusts the speed to measured passes."""

    def __init__(self, module: PreTrainedModel, layers: dict[str, list[Layer]]) -> None:
        self._width = _width(module.config.get_text_config())
        self.n_layers = sum(len(found) for found in layers.values())
        self._n_heads = max(layer.shape[0] for found in layers.values() for layer in found)
        self.bytes_per_pair = bytes_per_pair(layers)
        windows = sliding_windows(module)
        self._reaches: list[int | None] = [2 * window + BAND_ROWS for window in windows]
        self._reaches += [None] * max(0, self.n_layers - len(windows))
        embedded = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
        self._n_multiplied = sum(p.numel() for p in module.parameters() if id(p) not in embedded and p.dim() > 1)
        parameter = next(module.parameters())
        self._kind = (parameter.device.type, parameter.dtype)
        self._speed: float | None = None
        self._lock = threading.Lock()

    def estimate(self, n_tokens: int) -> Estimate:
        """Return the cost of a pass over `n_tokens` tokens; measures the machine's speed the first time."""
        n_bytes = 4 * n_tokens * self._width * (2 * self.n_layers + 50) + n_tokens**2 * self.bytes_per_pair
        with self._lock:
            speed = self._speed or _speed(*self._kind)
        return Estimate(n_tokens, n_bytes, self._operations(n_tokens) / speed)

    def learn(self, n_tokens: int, seconds: float) -> None:
        """Adjust the speed to a measured pass, if it was long enough."""
        if seconds >= MIN_LEARNED_SECONDS and n_tokens >= MIN_LEARNED_TOKENS:
            speed = self._operations(n_tokens) / seconds
            with self._lock:
                self._speed = speed if self._speed is None else (self._speed * speed) ** 0.5

    def _operations(self, n_tokens: int) -> float:
        """Return the floating-point operations: two a weight and token, four a pair and dimension, and a softmax."""
        pairs = sum(n_tokens * min(n_tokens, reach or n_tokens) for reach in self._reaches)
        return 2.0 * self._n_multiplied * n_tokens + (4.0 * self._width + SOFTMAX * self._n_heads) * pairs


def sliding_windows(module: nn.Module) -> list[int]:
    """Return the reach of each attention module with a sliding window, in positions to one side."""
    reaches = (getattr(part, "sliding_window", None) for part in module.modules() if "Attention" in type(part).__name__)
    return [reach for reach in reaches if isinstance(reach, int)]


def _width(config: object) -> int:
    for name in ("hidden_size", "d_model", "n_embd", "dim", "embed_dim"):
        width = getattr(config, name, None)
        if isinstance(width, int):
            return width
    return 1024


@cache
def _speed(device: str, dtype: torch.dtype) -> float:
    """Return the operations a second that a forward pass reaches."""
    size = 512 if device == "cpu" else 4096
    matrix = torch.ones(size, size, device=device, dtype=dtype)
    fastest = float("inf")
    for _ in range(4):
        start = perf_counter()
        float((matrix @ matrix)[0, 0])
        fastest = min(fastest, perf_counter() - start)
    return SHARE_OF_SPEED * 2 * size**3 / fastest


def bytes_per_pair(layers: dict[str, list[Layer]]) -> int:
    """Return about how many bytes each pair of positions costs while a text is traced, from one short trace.

    A mask is nearly the only cost if weights are replayed. Relative position biases (T5) are `[head, query, key]`, with
    integer distances and intermediate copies, and materialised weights are one such array for each layer.
    """
    every = [layer for found in layers.values() for layer in found]
    n_materialised = sum(layer.shape[0] for layer in every if isinstance(layer, MaterialisedLayer))
    biases = {
        layer.bias.data_ptr(): layer.bias for layer in every if isinstance(layer, Replay) and layer.bias is not None
    }
    n_biased = sum(bias.shape[0] for bias in biases.values())
    n_largest = max(layer.shape[0] for layer in every)
    materialised_bytes = 4 * (n_materialised + 3 * n_largest) if n_materialised else 0
    return 2 + materialised_bytes + (40 + 16 * n_biased if n_biased else 0)


@contextmanager
def memory_refusal(n_tokens: int) -> Iterator[None]:
    """Turn an allocation that failed although the estimate was admitted into a refusal.

    Raises:
        NotEnoughMemory: torch or Python could not allocate.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        failed = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "not enough memory" in str(error)
        if not failed and "allocate memory" not in str(error):
            raise
        log.exception("out of memory at %d tokens", n_tokens)
        raise NotEnoughMemory(f"Tracing {n_tokens:,} tokens took more memory than is free: {REMEDY}.") from error


def readable_seconds(seconds: float) -> str:
    """Return seconds in readable units: `0.4 s`, `50 s`, `4 minutes`, `3 hours`."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
