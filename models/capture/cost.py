"""What a trace will cost, in bytes and seconds, before it starts; and what the operator or the machine allows."""

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
from models.capture.interface import BAND_ROWS
from models.capture.replay import Layer, MaterialisedLayer, Replay
from models.errors import NotEnoughMemory, TooLong
from models.memory import readable

log = logging.getLogger("headlight.models")

REMEDY = "shorten the text or choose a smaller model"
# Shorter passes are mostly overhead and tell little of the speed of long ones; so does a first one over a sentence,
# which may take half a second and would make 512 tokens look like minutes.
TELLING_SECONDS, TELLING_TOKENS = 0.3, 64
# What a softmax takes for each pair of a head, in multiplications, and what share of a matrix product's speed a forward
# pass reaches. Measured on two cores with widths of 64 to 768 and 512 to 6,000 tokens: within two fifths of the time.
SOFTMAX, SHARE_OF_SPEED = 80, 0.7


@dataclass(frozen=True)
class Estimate:
    """What tracing will take: tokens in all, bytes on top of the loaded model, seconds of the forward pass."""

    n_tokens: int
    n_bytes: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.n_tokens:,} tokens: about {readable_seconds(self.seconds)} and {readable(self.n_bytes)}"


@dataclass(frozen=True)
class Budget:
    """The most that one trace may take; None: bytes up to a share of the free memory, seconds without limit."""

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
                f"{what} needs about {readable(estimate.n_bytes)}, and this server gives {readable(self.n_bytes)} "
                f"to one text: {REMEDY}."
            )
        if self.seconds is not None and estimate.seconds > self.seconds:
            raise TooLong(
                f"{what} would take about {readable_seconds(estimate.seconds)}, and this server gives "
                f"{readable_seconds(self.seconds)} to one text: {REMEDY}."
            )


class Costs:
    """How a model's costs grow with the number of tokens; learns its speed from the passes that it is told of."""

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
        """Return what a pass over so many tokens takes; measures the machine's speed the first time."""
        n_bytes = 4 * n_tokens * self._width * (2 * self.n_layers + 50) + n_tokens**2 * self.bytes_per_pair
        with self._lock:
            speed = self._speed or _speed(*self._kind)
        return Estimate(n_tokens, n_bytes, self._operations(n_tokens) / speed)

    def learn(self, n_tokens: int, seconds: float) -> None:
        """Take a pass that was long enough into account."""
        if seconds >= TELLING_SECONDS and n_tokens >= TELLING_TOKENS:
            speed = self._operations(n_tokens) / seconds
            with self._lock:
                self._speed = speed if self._speed is None else (self._speed * speed) ** 0.5

    def _operations(self, n_tokens: int) -> float:
        """Floating-point operations: two for each weight and token, four for each pair and dimension, and a softmax."""
        pairs = sum(n_tokens * min(n_tokens, reach or n_tokens) for reach in self._reaches)
        return 2.0 * self._n_multiplied * n_tokens + (4.0 * self._width + SOFTMAX * self._n_heads) * pairs


def sliding_windows(module: nn.Module) -> list[int]:
    """Return the reach of each attention module that sees a window, in positions to one side."""
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

    Next to nothing (a mask) where weights are replayed, but relative position biases (T5) are `[head, query, key]`,
    with integer distances and copies on the way, and held weights are one such array per layer.
    """
    every = [layer for found in layers.values() for layer in found]
    n_held = sum(layer.shape[0] for layer in every if isinstance(layer, MaterialisedLayer))
    biases = {
        layer.bias.data_ptr(): layer.bias for layer in every if isinstance(layer, Replay) and layer.bias is not None
    }
    n_biased = sum(bias.shape[0] for bias in biases.values())
    held_bytes = 4 * (n_held + 3 * max(layer.shape[0] for layer in every)) if n_held else 0
    return 2 + held_bytes + (40 + 16 * n_biased if n_biased else 0)


@contextmanager
def memory_refusal(n_tokens: int) -> Iterator[None]:
    """Turn an allocation that failed in spite of the estimate into a refusal.

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
    """Return seconds as a person reads them: `0.4 s`, `50 s`, `4 minutes`, `3 hours`."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
