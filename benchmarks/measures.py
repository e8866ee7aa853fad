"""Measures of all heads over 1,000 sentences, next to the plain forward passes of the same batches."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import chain, islice
from pathlib import Path
from random import Random
from statistics import median

import torch

from benchmarks.effects import processor_time
from benchmarks.fresh import RETURNS_FREED_MEMORY, in_new_process, peak_of
from benchmarks.table import Report, interleaved, met, milliseconds, ratio, size, timed
from models import Model, load_model

N_SENTENCES, MANY, BATCH = 1_000, 4_000, 32
# Annotated sentences of the Universal Dependencies treebanks, beside the checkout; made ones where it has none.
TREEBANK = Path(__file__).parents[2] / "shared" / "data" / "en_pud-ud-test.conllu"
MOST_RATIO, MOST_GROWTH = 1.5, 1.1
WORDS = "the a keeper ship night storm river bank old new slowly counted wrote saw and but because it was of in , ."


def sentences(n: int = N_SENTENCES) -> list[str]:
    """Return sentences of the treebank, or made ones of the same lengths."""
    if TREEBANK.exists():
        found = re.findall(r"^# text = (.+)$", TREEBANK.read_text(encoding="utf-8"), re.MULTILINE)
        return list(islice(chain.from_iterable([found] * (n // len(found) + 1)), n))
    dice = Random(1)
    return [" ".join(dice.choices(WORDS.split(), k=max(3, round(dice.gauss(21, 9))))) for _ in range(n)]


def plain_passes(model: Model, texts: list[str], batches: list[list[int]]) -> None:
    """Run the model as people do, padded batches of token ids without any weights."""
    assert model.tokenizer is not None
    with torch.inference_mode():
        for numbers in batches:
            model.module(**model.tokenizer([texts[n] for n in numbers], padding=True, return_tensors="pt"))


def _work(model: Model, texts: list[str]) -> dict[str, Callable[[], object]]:
    from analysis.measures import head_table_of_texts
    from analysis.measures.texts import in_batches

    batches = [[number for number, _ in batch] for batch in in_batches(texts, BATCH)]
    return {
        "plain": lambda: plain_passes(model, texts, batches),
        "measures": lambda: head_table_of_texts(model, texts, batch=BATCH),
    }


def growth(name: str, n: int) -> int:
    """Return the growth of the peak in bytes; `fresh` calls it in a process of its own."""
    model = load_model("minilm")
    _work(model, sentences(BATCH))[name]()
    work = _work(model, sentences(n))[name]
    return peak_of(work)[1]


def main(report: Report, seconds: float = 60) -> None:
    """Print what the measures of all heads take."""
    texts, n_threads = sentences(), torch.get_num_threads()
    works = _work(load_model("minilm"), texts)
    torch.set_num_threads(1)
    alone = interleaved({name: partial(processor_time, work) for name, work in works.items()}, seconds=seconds)
    torch.set_num_threads(n_threads)
    together = interleaved({name: partial(timed, work) for name, work in works.items()}, seconds=seconds)
    reached, reached_together = (ratio(taken["measures"], taken["plain"]) for taken in (alone, together))
    rows = [(name, milliseconds(median(alone[name])), milliseconds(median(together[name]))) for name in works]
    where = "of en_pud" if TREEBANK.exists() else "made of words"
    report.table(
        f"Measures of 72 heads over {N_SENTENCES:,} sentences, MiniLM",
        ("what", "processor's time, one thread", f"time, {n_threads} threads"),
        rows,
        f"Sentences {where}, in the same batches of {BATCH}, of similar lengths. Plain: padded forward passes of "
        "transformers, without weights. Measures: `head_table_of_texts`, with its own passes. A pass of a batch and "
        "the sums of its heads use all threads. Tokens are read for one text at a time, in one thread.",
    )
    few, many = _memory(report)
    report.table(
        "Measures, to reach",
        ("what", "measured", "to reach", "met"),
        [
            _to_reach("measures / plain passes, one thread", reached, MOST_RATIO),
            _to_reach(f"measures / plain passes, {n_threads} threads", reached_together, MOST_RATIO),
            _to_reach(f"memory of {MANY:,} sentences / {N_SENTENCES:,}", many / few, MOST_GROWTH),
        ],
    )


def _memory(report: Report) -> list[int]:
    """Print the growth of the peak; return that of few and of many sentences, without memory that is free."""
    grown = {
        (name, kept): [
            in_new_process("measures.growth", environment={} if kept else RETURNS_FREED_MEMORY, name=name, n=n)
            for n in (N_SENTENCES, MANY)
        ]
        for name in ("plain", "measures")
        for kept in (False, True)
    }
    report.table(
        "Measures, growth of the peak memory",
        ("what", "freed memory", *(f"{n:,} sentences" for n in (N_SENTENCES, MANY))),
        [(name, "kept" if kept else "returned", *map(size, found)) for (name, kept), found in grown.items()],
        "Each in a process of its own. Returned: the allocator returns freed tensors to the system at once "
        f"({', '.join(f'`{name}={value}`' for name, value in RETURNS_FREED_MEMORY.items())}). Kept: glibc keeps a part "
        "of them for later tensors, as without that setting; tensors of other sizes leave gaps.",
    )
    return grown["measures", False]


def _to_reach(what: str, reached: float, most: float) -> tuple[str, str, str, str]:
    return what, f"{reached:.2f}", f"at most {most}", met(reached <= most)
