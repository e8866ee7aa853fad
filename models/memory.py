"""Estimates of bytes, so that work that is too large is refused before it starts, not by the operating system."""

from __future__ import annotations

import psutil

from models.errors import NotEnoughMemory

SHARE_OF_FREE = 0.8


def readable(n_bytes: int | float) -> str:
    """Return bytes in readable units: `512 MB`, `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if n_bytes < 1000 or unit == "TB":
            break
        n_bytes /= 1000
    return f"{n_bytes:.0f} {unit}" if unit == "bytes" or n_bytes >= 100 else f"{n_bytes:.1f} {unit}"


def free_bytes() -> int:
    """Return the memory that can be allocated without swapping, in bytes."""
    return int(psutil.virtual_memory().available)


def admit(n_bytes: int, what: str, remedy: str) -> None:
    """Let work of an estimated size through.

    Raises:
        NotEnoughMemory: the estimate exceeds `SHARE_OF_FREE` of the free memory.
    """
    free = free_bytes()
    if n_bytes > SHARE_OF_FREE * free:
        raise NotEnoughMemory(f"{what} needs about {readable(n_bytes)}, and {readable(free)} are free: {remedy}.")
