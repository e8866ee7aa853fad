"""10,000 hostile inputs with fixed seeds: each is accepted or refused in one sentence, quickly and without a leak.

`python -m benchmarks.fuzz KIND NUMBER` creates one input again, shows it, and runs it in this process.
"""

import argparse
import os
import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fuzzing.checks import SEED, check, dice_of
from benchmarks.fuzzing.kinds import KINDS
from benchmarks.fuzzing.pages import ENVIRONMENT
from benchmarks.fuzzing.worker import PRINTED, SLOW_SECONDS, start
from benchmarks.table import Report, met

INPUTS = 10_000
START_SECONDS, HANG_SECONDS = 180.0, 20.0
MOST_GROWTH = 32e6
SHOWN, SHOWN_ALIKE = 12, 3


@dataclass
class Results:
    """The outcomes of the inputs of one kind."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_number: int = 0
    failures: list[tuple[int, str]] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)

    @property
    def growth(self) -> int | None:
        """Bytes that the second half of the inputs left when it ran again; None if no process ran them all."""
        return self.resident[1] - self.resident[0] if len(self.resident) == 2 else None

    def add(self, line: dict) -> None:
        """Add what a worker reports about an input."""
        number, what, seconds = line["done"], line["what"], line["seconds"]
        self.counts[what] += 1
        if seconds > self.slowest:
            self.slowest, self.slowest_number = seconds, number
        if what == "failed":
            self.failures.append((number, line["why"]))
        if seconds > SLOW_SECONDS:
            self.failures.append((number, f"took {seconds:.1f} s"))


def run_kind(name: str, n_inputs: int, seed: int) -> Results:
    """Run all inputs of a kind; after an input that hangs or kills the process, continue in a new process."""
    found, number = Results(), 0
    while number < n_inputs:
        found.resident.clear()
        number = _run_from(name, seed, number, n_inputs, found)
    return found


def _run_from(name: str, seed: int, first: int, last: int, found: Results) -> int:
    """Run inputs in one process; return the number of the next input to run."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        process, messages = start(name, seed, first, last, folder)
        running, timeout, died = first - 1, START_SECONDS, ""
        try:
            while messages.poll(timeout):
                timeout, line = HANG_SECONDS, messages.recv()
                running = line.get("begun", running)
                if "done" in line:
                    found.add(line)
                elif "resident" in line:
                    found.resident.append(line["resident"])
            died = f"no end in {timeout:.0f} s"
        except EOFError:
            process.join(HANG_SECONDS)
            if process.exitcode == 0:
                return last
            printed = (Path(folder) / PRINTED).read_text(errors="replace").strip().splitlines()
            died = f"the process died with {process.exitcode}: {''.join(printed[-1:])[:300]}"
        finally:
            if process.is_alive():
                process.kill()
            process.join()
    if running < first:
        raise RuntimeError(f"The worker for {name} does not start: {died}")
    found.counts["failed"] += 1
    found.failures.append((running, died))
    return running + 1


def main(report: Report, n_inputs: int = INPUTS, seed: int = SEED, names: tuple[str, ...] = ()) -> None:
    """Print the outcomes of the inputs by kind, and all inputs that failed."""
    rows, failures = [], []
    every = {name: kind for name, kind in KINDS.items() if not names or name in names}
    whole = sum(kind.share for kind in every.values())
    for name, kind in every.items():
        found = run_kind(name, max(4, round(kind.share * n_inputs / whole)), seed)
        grown = found.growth
        if grown is not None and grown > MOST_GROWTH:
            found.failures.append((-1, f"memory grew by {grown / 1e6:.0f} MB when the second half ran again"))
        counts = (found.counts.total(), *(found.counts[what] for what in ("refused", "notice", "accepted")))
        growth = "–" if grown is None else f"{grown / 1e6:+.1f} MB"
        rows.append(
            (name, *counts, len(found.failures), f"{found.slowest:.2f} s (number {found.slowest_number})", growth)
        )
        failures += [(name, number, why) for number, why in found.failures]
        print(f"{name}: {dict(found.counts)}, slowest {found.slowest:.2f} s, growth {growth}", flush=True)
    printed: Counter[str] = Counter()
    for name, number, why in failures:
        printed[alike := re.sub(r"'.*?'|\d+", "", why)[:120]] += 1
        if printed[alike] <= SHOWN_ALIKE:
            print(f"FAILED python -m benchmarks.fuzz {name!r} {number} --seed {seed}: {why}", flush=True)
    n_all = sum(row[1] for row in rows)
    report.table(
        f"{n_all:,} hostile {', '.join(names) or 'inputs'}",
        ("kind", "inputs", "refused", "notice", "accepted", "failed", "slowest", "growth"),
        rows,
        f"Seed {seed}. Refused: in one sentence for the visitor. Notice: shown, with a sentence about it, or one for "
        "each ignored parameter of a link. Failed: another exception, a sentence of several lines or with a path of "
        f"the machine, more than {SLOW_SECONDS:g} s, a dead process, or more than "
        f"{MOST_GROWTH / 1e6:.0f} MB that the second half of the inputs leaves in memory when it runs again, with full "
        "caches.",
        *(f"Failed: {name}, number {number}: `{why[:160]}`" for name, number, why in failures[:SHOWN]),
    )
    report.table(
        f"Hostile {', '.join(names) or 'inputs'}: targets",
        ("what", "measured", "to reach", "met"),
        [("inputs that fail", str(len(failures)), "none", met(not failures))],
    )


def repeat() -> None:
    """Create one input again, show it and run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("kind", choices=[*KINDS])
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    kind = KINDS[given.kind]
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder
        print(repr(kind.make(dice_of(kind.name, given.number, given.seed)))[:5000])
        print(check(kind, given.number, given.seed))


if __name__ == "__main__":
    repeat()
