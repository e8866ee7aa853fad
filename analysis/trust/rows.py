"""Whether the weights are weights: rows that sum to 1, of numbers that are not negative."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from analysis.trust.finding import Finding, at_most, count
from analysis.trust.notices import has_finding
from analysis.trust.survey import Look, Survey, name_heads
from models import Attention
from models.errors import BadSelection
from models.given.notices import SUM_TOLERANCE

_NOT_WEIGHTS = (("n_nan", "no number (NaN)"), ("n_infinite", "infinite"), ("n_negative", "negative"))


def check_rows(look: Look) -> Iterator[Finding]:
    """Yield what is wrong with the values of the weights, or that every row sums to 1."""
    found = [*_values(look), *_sums(look)]
    yield from found
    if not found and not has_finding(look, "rows"):
        largest = max(float(np.abs(each - 1).max()) for each in _all_sums(look))
        yield Finding("rows", "ok", f"{_which(look)} sums to 1; the largest difference is {at_most(largest)}.", largest)


def _values(look: Look) -> Iterator[Finding]:
    if look.trace.source.capture == "given" and has_finding(look, "rows", "fault"):
        return  # its notices say it
    for kind, survey in look.surveys.items():
        for field, says in _NOT_WEIGHTS:
            counts = [
                (int(n), layer, head)
                for layer, each in enumerate(survey.layers)
                for head, n in enumerate(vars(each)[field])
                if n
            ]
            if counts:
                total = sum(n for n, *_ in counts)
                are = f"{'is' if total == 1 else 'are'} {says}"
                heads = [(layer, head) for _, layer, head in counts]
                yield Finding(
                    "rows",
                    "fault",
                    f"{count(total, 'weight')} of {_heads(look, kind, len(heads))} {are} "
                    f"({name_heads(look.trace[kind], heads)}).",
                    total,
                    "Do not read these heads. Load the model in float32; if that does not help, its weights are "
                    "damaged: fetch or save the model again.",
                )


def _sums(look: Look) -> Iterator[Finding]:
    """Yield one finding for each kind whose rows do not sum to 1; of given weights, `Attention.notices` say it."""
    for kind, survey in look.surveys.items():
        att = look.trace[kind]
        allowed = _tolerance(att)
        off = [
            (max(1 - float(low), float(high) - 1), layer, head, float(low), float(high))
            for layer, each in enumerate(survey.layers)
            for head, (low, high) in enumerate(zip(each.low_sum, each.high_sum, strict=True))
            if max(1 - low, high - 1) > allowed
        ]
        if not off:
            continue
        if all(_has_sink(look, att, layer) and high <= 1 + allowed for _, layer, _, _, high in off):
            yield _explain_sink(look, kind, off)
        elif att.method != "attention":
            worst = max(off)[0]
            sentence = "Rows of this map need not sum to 1: they are those of a method, not of a softmax."
            yield Finding("rows", "ok", sentence, worst)
        elif look.trace.source.capture != "given" and not has_finding(look, "rows"):
            yield _explain_off(look, kind, off)


def _explain_sink(look: Look, kind: str, off: list[Any]) -> Finding:
    share = max(off)[0]
    return Finding(
        "rows",
        "ok",
        f"Rows of {_heads(look, kind, len(off))} sum to less than 1, as they must: the rest, {share:.0%} at most, "
        "goes to the model's own sink, which is not a token.",
        share,
    )


def _explain_off(look: Look, kind: str, off: list[Any]) -> Finding:
    distance, layer, head, low, high = max(off)
    place = name_heads(look.trace[kind], [(layer, head)])
    furthest = low if 1 - low > high - 1 else high
    return Finding(
        "rows",
        "fault",
        f"Rows of {_heads(look, kind, len(off))} do not sum to 1; the furthest sum is {furthest:.4g}, in {place}.",
        distance,
        "Give weights after the softmax and before any other step, and let dropout be off.",
    )


def _all_sums(look: Look) -> list[np.ndarray]:
    return [survey.of_heads(name) for survey in look.surveys.values() for name in ("low_sum", "high_sum")]


def _which(look: Look) -> str:
    if all(survey.is_whole for survey in look.surveys.values()):
        return "Every row of every head"
    survey: Survey = next(each for each in look.surveys.values() if not each.is_whole)
    return f"Every row that was read ({survey.n_read:,} of {survey.n_rows:,} of every head)"


def _heads(look: Look, kind: str, number: int) -> str:
    return count(number, f"{kind} head" if len(look.surveys) > 1 else "head")


def _tolerance(att: Attention) -> float:
    """Return how far the sum of a row may be from 1: the half types round each weight."""
    halves = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    dtype = halves.get(att.source.dtype)
    return SUM_TOLERANCE if dtype is None else float(torch.finfo(dtype).eps)


def _has_sink(look: Look, att: Attention, layer: int) -> bool:
    """Return whether a layer's softmax has a term that is no key."""
    try:
        return att.replay(layer).sinks is not None
    except BadSelection:  # the weights alone are known
        return (
            any("to a sink, which is not a token" in notice for notice in look.model.card.notices)
            if look.model
            else False
        )
