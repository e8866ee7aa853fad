"""Timing side by side, and tables of what was measured: printed as they come, kept for docs/benchmarks.md."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def interleaved(
    contestants: Mapping[str, Callable[[], float]], *, seconds: float, fewest: int = 3, most: int = 101
) -> dict[str, list[float]]:
    """Return each contestant's measurements, taken in turns (A B C, A B C, ...) after one round that warms them up.

    Whatever else the machine does meanwhile then falls on all of them alike. Rounds are as many as fit into `seconds`.
    """
    warm = timed(lambda: [measure() for measure in contestants.values()])
    rounds = max(fewest, min(most, int(seconds / warm)))
    taken = [{name: measure() for name, measure in contestants.items()} for _ in range(rounds)]
    return {name: [turn[name] for turn in taken] for name in contestants}


def ratio(numbers: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios within each turn."""
    return median(number / other for number, other in zip(numbers, others, strict=True))


def milliseconds(seconds: float) -> str:
    """Return a time as a person reads it."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.{1 if seconds < 0.1 else 0}f} ms"


def size(n_bytes: float) -> str:
    """Return bytes with three digits: `0.25 MB`, `12.8 MB`, `1.50 GB`."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if abs(n_bytes) >= 10**power or unit == "kB":
            value = n_bytes / 10**power
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    raise AssertionError


def met(reached: bool) -> str:
    return "yes" if reached else "**no**"


@dataclass
class Report:
    """All tables of a run, in order, as Markdown."""

    parts: list[str] = field(default_factory=list)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[object]], *notes: str) -> None:
        """Print a table under its title, with sentences that say how it was measured."""
        lines = [f"## {title}", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
        for note in notes:
            lines += ["", note]
        self.parts.append("\n".join(lines) + "\n")
        print("\n" + self.parts[-1], flush=True)

    def write(self, path: Path, preface: str) -> None:
        path.write_text("\n".join([preface, *self.parts]), encoding="utf-8")

    def renew(self, path: Path) -> None:
        """Put the tables into a file that `write` made: in the place of those of the same title, else at its end."""
        preface, *sections = path.read_text(encoding="utf-8").split("\n## ")
        kept = {section.split("\n", 1)[0]: f"## {section.rstrip()}\n" for section in sections}
        day = f"\nMeasured on {date.today().isoformat()}.\n"
        kept |= {part.split("\n", 1)[0].removeprefix("## "): part + day for part in self.parts}
        path.write_text("\n".join([preface.rstrip() + "\n", *kept.values()]), encoding="utf-8")
