"""Work is admitted by estimated bytes before it starts; too much is refused with the estimate and a remedy."""

from __future__ import annotations

import re

import pytest
import torch

from models import errors, load_model, memory
from tests.helpers.small_models import SENTENCE, TARGET


def free(monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: n_bytes)


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (151_000_000, "151 MB"),
        (1_540_000_000, "1.5 GB"),
        (71 * 10**9, "71.0 GB"),
        (10**12, "1.0 TB"),
        (10**16, "10000 TB"),
    ],
)
def test_bytes_as_a_person_reads_them(n_bytes, shown):
    assert memory.readable(n_bytes) == shown


def test_a_fifth_of_the_free_memory_is_left(monkeypatch):
    free(monkeypatch, 1000)
    memory.admit(800, "This", "wait")
    with pytest.raises(errors.NotEnoughMemory, match=r"^This needs about 801 bytes, and 1\.0 kB are free: wait\.$"):
        memory.admit(801, "This", "wait")


def test_loading_is_refused_with_the_estimate(folder_of, monkeypatch, minilm):
    free(monkeypatch, 10_000)
    with pytest.raises(errors.NotEnoughMemory) as caught:
        load_model(str(folder_of("bert")))
    # 36,184 parameters of 4 bytes and a fifth more.
    assert str(caught.value) == (
        "Loading bert needs about 174 kB, and 10.0 kB are free: "
        "choose a smaller model, a half dtype, or close other programs."
    )
    with pytest.raises(errors.NotEnoughMemory, match=r"^Loading bert needs about 86\.8 kB"):
        load_model(str(folder_of("bert")), dtype="bfloat16")
    monkeypatch.undo()
    assert load_model(str(folder_of("bert"))).trace("the cat").kinds == ("encoder",)


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "llama", "bart", "t5"])
def test_tracing_is_refused_with_the_estimate(family, loaded, monkeypatch):
    model = loaded(family)
    target = {"target": TARGET} if "cross" in model.card.kinds else {}
    free(monkeypatch, 1000)
    sentence = (
        r"^Tracing \d+ tokens needs about [\d.]+ [kM]B, and 1\.0 kB are free: shorten the text or choose a smaller"
    )
    with pytest.raises(errors.NotEnoughMemory, match=sentence):
        model.trace(SENTENCE, **target)
    monkeypatch.undo()
    assert model.trace(SENTENCE, **target).kinds == model.card.kinds


def estimate(model, text: str, monkeypatch: pytest.MonkeyPatch, **more) -> float:
    units = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
    free(monkeypatch, 0)
    with pytest.raises(errors.NotEnoughMemory) as caught:
        model.trace(text, **more)
    monkeypatch.undo()
    number, unit = re.search(r"about ([\d.]+) (\w+)", str(caught.value)).groups()
    return float(number) * units[unit]


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert", "gpt2", "llama", "gemma2", "bart", "t5"])
def test_the_estimate_covers_what_the_trace_holds(family, loaded, monkeypatch):
    model = loaded(family)
    more = {"target": TARGET * 5} if "cross" in model.card.kinds else {}
    trace = model.trace(SENTENCE * 2, **more)
    held: dict[int, int] = {}
    for kind in trace.kinds:
        for layer in trace[kind]._layers:
            for value in vars(layer).values():
                if isinstance(value, torch.Tensor):
                    storage = value.untyped_storage()
                    held[storage.data_ptr()] = storage.nbytes()
    assert estimate(model, SENTENCE * 2, monkeypatch, **more) >= sum(held.values())


def test_what_grows_with_the_square_of_the_text(loaded, monkeypatch):
    """Materialised weights and position biases do, queries and keys do not.

    T5 has no longest text: 50,000 tokens of it would take 46 GB, and the operating system ended the process.
    """
    short, long = SENTENCE, SENTENCE * 2
    growth = {
        family: estimate(loaded(family), long, monkeypatch) / estimate(loaded(family), short, monkeypatch)
        for family in ("bert", "deberta-v2", "roberta")
    }
    assert growth["bert"] < 2.1
    assert growth["deberta-v2"] > growth["bert"] + 0.1
    pairs = {family: loaded(family).costs.bytes_per_pair for family in ("bert", "t5", "deberta-v2")}
    # T5: 10 bias maps of 4 bytes (5 heads in the encoder's first layer, 5 in the decoder's), and what makes them.
    assert pairs["bert"] < 8 < 40 < pairs["t5"]
    assert pairs["deberta-v2"] >= 4 * 2 * 3


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to"),
        MemoryError(),
    ],
)
def test_an_allocation_that_fails_all_the_same_is_a_refusal(error, loaded, monkeypatch):
    model = loaded("bert")

    def fail(*given, **options):
        raise error

    monkeypatch.setattr(model.module, "forward", fail)
    with pytest.raises(
        errors.NotEnoughMemory, match=r"^Tracing 4 tokens took more memory than is free: shorten the text"
    ):
        model.trace("the cat")
    monkeypatch.undo()
    assert model.trace("the cat").kinds == ("encoder",)
