"""Measures and distances of all heads, computed as jobs that visitors share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from analysis.measures import head_distance, head_map, head_table, head_table_of_texts, induction_table, label_patterns
from analysis.measures.distance import MOST_COMPARED
from analysis.measures.positions import Positions
from analysis.measures.tables import heads_of, measure_heads
from analysis.measures.texts import TextSums
from models import Attention, HeadlightError, Model
from ui.services.jobs import Jobs, Progress
from ui.services.models import model_id
from ui.services.settings import budget
from ui.services.traces import TraceRequest
from ui.services.work import Work
from viz.figures.measures_scale import largest_measures

JOBS_IN_MEMORY = 48
# So many pairs of weights are compared without asking the visitor: about four seconds.
MOST_COMPARED_AT_ONCE = 10**9
# Columns of `induction_table`, and their names beside those of `head_table`.
REPEATED = {"induction": "induction", "duplicate": "duplicate", "previous": "previous_repeated"}
_JOBS: Jobs[Any] = Jobs(JOBS_IN_MEMORY, lambda: inf)
_NAMES: WeakKeyDictionary[Attention, str] = WeakKeyDictionary()


@dataclass(frozen=True)
class HeadNumbers:
    """The measures of all heads. With several texts, `table` has the means and `spread` the standard deviations.

    `largest` are the largest possible values of the measures whose range depends on the length of the texts.
    """

    table: pd.DataFrame
    spread: pd.DataFrame | None
    n_texts: int
    largest: dict[str, float]

    def join(self, more: pd.DataFrame) -> HeadNumbers:
        """Return the numbers with more columns, before the pattern, which stays the last one."""
        names = [name for name in self.table.columns if name != "pattern"]
        joined = pd.concat([self.table[names], more.reindex(self.table.index), self.table[["pattern"]]], axis=1)
        return replace(self, table=joined)

    @property
    def whole(self) -> pd.DataFrame:
        """The table as a file has it: that of `head_table`, or with several texts each measure before its spread."""
        if self.spread is None:
            return self.table
        parts: dict[str, pd.Series] = {}
        for name in map(str, self.table.columns):
            parts[name] = self.table[name]
            if name in self.spread.columns:
                parts[f"{name} spread"] = self.spread[name]
        return pd.DataFrame(parts)


@dataclass(frozen=True)
class HeadDistances:
    """The distances between all heads, means over several texts, and their places on a map with its stress."""

    distance: pd.DataFrame
    places: pd.DataFrame
    stress: float
    n_texts: int

    @property
    def pairs(self) -> pd.DataFrame:
        """A row for each pair of different heads, indexed by the first; the file's form of the square table."""
        heads, values = list(self.distance.index), self.distance.to_numpy()
        one, other = np.nonzero(~np.eye(len(heads), dtype=bool))
        index = pd.MultiIndex.from_tuples([heads[place] for place in one], names=["layer", "head"])
        others = np.array([heads[place] for place in other]).reshape(-1, 2)
        columns = {"other_layer": others[:, 0], "other_head": others[:, 1], "distance": values[one, other]}
        return pd.DataFrame(columns, index)


def numbers_of(att: Attention) -> Work[HeadNumbers]:
    """Return the work that measures all heads of an attention."""

    def compute(progress: Progress) -> HeadNumbers:
        def report(done: int, total: int) -> None:
            progress(done * att.n_layers // total, att.n_layers)

        return HeadNumbers(head_table(att, progress=report), None, 1, largest_measures(att.n_key))

    return _work(("numbers", _name(att)), compute, "Measure heads", "Measuring heads", "layer")


def numbers_of_texts(model: Model, requests: Sequence[TraceRequest], kind: str) -> Work[HeadNumbers]:
    """Return the work that measures all heads on each of several texts."""

    def compute(progress: Progress) -> HeadNumbers:
        progress(0, len(requests))
        if all(one == TraceRequest(one.model, one.text) for one in requests):
            texts = [one.text for one in requests]
            found = head_table_of_texts(model, texts, kind=kind, progress=lambda done: progress(done, len(texts)))
        else:
            found = _table_of_requests(model, requests, kind, progress)
        means, spread = (pd.DataFrame(found.xs(part, axis=1, level=1)) for part in ("mean", "spread"))
        longest = max(one.estimate(model).n_tokens for one in sorted(requests, key=lambda one: len(one.text))[-3:])
        table = means.assign(pattern=label_patterns(means, **{str(name): value for name, value in found.attrs.items()}))
        return HeadNumbers(table, spread, len(requests), largest_measures(longest))

    key, about = ("texts", tuple(requests), kind), f"{len(requests)} texts"
    return _work(key, compute, f"Measure heads on {about}", f"Measuring heads on {about}", "text")


def _table_of_requests(model: Model, requests: Sequence[TraceRequest], kind: str, progress: Progress) -> pd.DataFrame:
    """Return the table of `head_table_of_texts` for texts with more than their words, which are read one by one."""
    sums: TextSums | None = None
    for number, request in enumerate(requests):
        progress(number, len(requests))
        att = _read(model, request, kind, number)
        sums, positions = sums or TextSums.empty(att), Positions.of(att)
        sums.add(measure_heads(att, positions), positions)
    assert sums is not None  # there are texts
    return sums.table()


def _read(model: Model, request: TraceRequest, kind: str, number: int) -> Attention:
    try:
        return model.trace(**request.given(), budget=budget())[kind]
    except HeadlightError as error:
        raise type(error)(f"Text {number}: {error}") from error


def repeated_of(model: Model, kind: str) -> Work[pd.DataFrame]:
    """Return the work that measures all heads on a repeated random sequence, as the columns of `REPEATED`."""

    def compute(progress: Progress) -> pd.DataFrame:
        return induction_table(model, kind=kind).rename(columns=REPEATED)

    doing = "Reading a repeated random sequence"
    return _work(("repeated", model_id(model), kind), compute, "Read a repeated random sequence", doing, "part")


def distances_of(att: Attention) -> Work[HeadDistances]:
    """Return the work that compares all heads of an attention."""

    def compute(progress: Progress) -> HeadDistances:
        return _as_distances(att, head_distance(att, progress=progress), 1)

    n_tokens = max(att.n_query, att.n_key)
    work = _work(("distances", _name(att)), compute, "Compare heads", "Comparing heads", "token")
    return _ask_if_long(work, att, 1, f"{n_tokens:,} tokens")


def distances_of_texts(model: Model, requests: Sequence[TraceRequest], att: Attention) -> Work[HeadDistances]:
    """Return the work that compares all heads on each of several texts; `att` is that of one of them."""

    def compute(progress: Progress) -> HeadDistances:
        sums = counts = np.zeros(())
        for number, request in enumerate(requests):
            progress(number, len(requests))
            found = head_distance(_read(model, request, att.kind, number))
            known = found.notna().to_numpy()
            sums, counts = sums + np.where(known, found.to_numpy(), 0), counts + known
        with np.errstate(invalid="ignore"):
            mean = pd.DataFrame(sums / counts, found.index, found.columns)
        return _as_distances(att, mean, len(requests))

    key, about = ("distances of texts", tuple(requests), att.kind), f"{len(requests):,} texts"
    work = _work(key, compute, "Compare heads", f"Comparing heads on {about}", "text")
    return _ask_if_long(work, att, len(requests), about)


def _work(key: Hashable, compute: Callable[[Progress], Any], button: str, doing: str, unit: str) -> Work[Any]:
    """Return work that starts by itself."""
    return Work(_JOBS, key, compute, button, "", unit, doing=doing, asks=False)


def _ask_if_long(work: Work[Any], att: Attention, n_texts: int, about: str) -> Work[Any]:
    """Return work that waits for the visitor if it takes more than a few seconds, but can be done."""
    n_heads = len(heads_of(att))
    n_compared = n_heads * (n_heads - 1) // 2 * att.n_query * att.n_key
    if n_compared > MOST_COMPARED or n_compared * n_texts <= MOST_COMPARED_AT_ONCE:
        return work
    return replace(work, asks=True, note=f"Comparing {n_heads} heads on {about} takes a while.")


def _as_distances(att: Attention, distance: pd.DataFrame, n_texts: int) -> HeadDistances:
    places = head_map(att, distance=distance)
    return HeadDistances(distance, places, float(places.attrs["stress"]), n_texts)


def _name(att: Attention) -> str:
    return _NAMES.setdefault(att, uuid4().hex)
