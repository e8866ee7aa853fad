"""The checks of traces that take long: jobs, shared by all visitors who look at the same trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.trust import Finding, check_against_random, check_norms, check_trace, check_with_eager
from models import AttentionTrace, Model
from ui.services.jobs import Job, Jobs, Progress
from ui.services.settings import cache_bytes

Findings = tuple[Finding, ...]
CHECKS_IN_MEMORY = 16
_CHECKS: Jobs[Findings] = Jobs(CHECKS_IN_MEMORY, cache_bytes)


@dataclass(frozen=True)
class LongCheck:
    """A check on demand: `run` gets the trace, its model, what a trace does not keep of its input, and progress.

    `needs_model` says whether a trace from a file has it too; `passes` is how many forward passes it takes about;
    `replaces` says that it finds all that the quick checks find.
    """

    name: str
    label: str
    help: str
    run: Callable[[AttentionTrace, Model | None, Mapping[str, Any], Progress], Findings]
    needs_model: bool = True
    passes: float = 0.0
    replaces: bool = False


def _with_eager(trace: AttentionTrace, model: Model | None, inputs: Mapping[str, Any], progress: Progress) -> Findings:
    assert model is not None
    return check_with_eager(model, trace, progress=progress, **inputs)


def _at_random(trace: AttentionTrace, model: Model | None, inputs: Mapping[str, Any], progress: Progress) -> Findings:
    del inputs
    assert model is not None
    return check_against_random(model, trace, progress=progress)


def _norms(trace: AttentionTrace, model: Model | None, inputs: Mapping[str, Any], progress: Progress) -> Findings:
    assert model is not None
    return check_norms(model, trace, progress=progress, **inputs)


def _every_row(trace: AttentionTrace, model: Model | None, inputs: Mapping[str, Any], progress: Progress) -> Findings:
    del inputs
    return check_trace(trace, model, every_row=True, progress=progress)


EVERY_ROW = LongCheck(
    "every row",
    "Read every row",
    "The quick checks of this long text read an even sample of the rows.",
    _every_row,
    needs_model=False,
    replaces=True,
)
LONG_CHECKS = (
    LongCheck(
        "eager",
        "Compare with eager attention",
        "Runs this text once more in the model's own eager attention, and compares every weight.",
        _with_eager,
        passes=3.0,
    ),
    LongCheck(
        "random",
        "Compare with random weights",
        "Makes the same architecture with random weights, and compares how evenly its heads attend.",
        _at_random,
        passes=2.0,
    ),
    LongCheck(
        "norms",
        "Measure what the weights let through",
        "Multiplies each weight by the length of the vector that it lets through, and says how much stays in place.",
        _norms,
        passes=2.0,
    ),
    EVERY_ROW,
)


def find_check(trace: AttentionTrace, check: LongCheck) -> Job[Findings] | None:
    """Return the job of a check, None if it was not started or was stopped."""
    return _CHECKS.find((trace, check.name))


def start_check(
    trace: AttentionTrace, model: Model | None, check: LongCheck, inputs: Mapping[str, Any], visitor: str
) -> Job[Findings]:
    """Return the job of a check, started if there is none, and watched by the visitor."""

    def start() -> Job[Findings]:
        return Job(lambda progress: check.run(trace, model, inputs, progress), n_bytes=trace.n_bytes)

    return _CHECKS.find_or_start((trace, check.name), start, visitor)


def forget_check(trace: AttentionTrace, check: LongCheck) -> None:
    """Drop a check, so that it can be started anew."""
    _CHECKS.forget((trace, check.name))
