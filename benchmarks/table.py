"""Printing measurements."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter


def repeat(work: Callable[[], object], times: int) -> float:
    """Return the median seconds of a piece of work, after one run that warms it up."""
    work()
    return median(timed(work) for _ in range(times))


def timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)
