"""Passes take turns: a short one waits for a layer of a long one, none waits for ever, and none disturbs another."""

import threading

import numpy as np
import pytest

from models import load_model
from models.capture import interface as capture
from models.capture import turns
from models.capture.turns import TURNS, Turns, between_layers, calling_between_layers
from tests.helpers.small_models import SENTENCE, TARGET, with_head

LONG = SENTENCE + " " + " ".join(["The old house stands near a quiet river."] * 3)


def more(model) -> dict:
    return {"target": TARGET} if "cross" in model.card.kinds else {}


def weights(trace) -> list[np.ndarray]:
    return [trace[kind].layer(layer) for kind in trace.kinds for layer in range(trace[kind].n_layers)]


@pytest.mark.parametrize("family", ["bert", "modernbert", "gpt2", "llama", "bart", "t5", "deberta-v2"])
def test_a_short_text_waits_for_one_layer_of_a_long_one(family, loaded):
    """The long pass is held in its first layer until the short one waits; it must end before the next but one."""
    model = loaded(family)
    alone = weights(model.trace(SENTENCE, **more(model))), weights(model.trace(LONG, **more(model)))
    events, found = [], {}

    def of_long(done: int, total: int) -> None:
        if done == 1 and not events:
            threads[1].start()
            while not TURNS._waiting:
                threading.Event().wait(0.002)
        events.append("long")

    def of_short(done: int, total: int) -> None:
        events.append("short")

    def run(name: str, text: str, progress) -> None:
        found[name] = weights(model.trace(text, **more(model), progress=progress))

    threads = [
        threading.Thread(target=run, args=("long", LONG, of_long)),
        threading.Thread(target=run, args=("short", SENTENCE, of_short)),
    ]
    threads[0].start()
    threads[0].join(60)
    threads[1].join(60)
    last_short = len(events) - 1 - events[::-1].index("short")
    assert events[:last_short].count("long") <= 2, events
    for name, expected in zip(("short", "long"), alone, strict=True):
        assert all((mine == other).all() for mine, other in zip(found[name], expected, strict=True)), name


def test_the_shortest_of_those_who_wait_goes_first():
    passes, order = Turns(), []

    def run(seconds: float) -> None:
        with passes.turn(seconds):
            order.append(seconds)

    with passes.turn(9.0):
        threads = [threading.Thread(target=run, args=(seconds,)) for seconds in (5.0, 1.0, 3.0)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(passes._waiting) < number:
                threading.Event().wait(0.002)
    for thread in threads:
        thread.join(20)
    assert order == [1.0, 3.0, 5.0]


def test_a_long_pass_goes_on_when_it_has_waited_long_enough(monkeypatch):
    """Short passes come without an end: each new one starts before the one before it has ended."""
    monkeypatch.setattr(turns, "MAX_WAIT_SECONDS", 0.05)
    passes, went_on, entered = Turns(), threading.Event(), threading.Event()

    def long() -> None:
        with passes.turn(100.0) as give_way:
            entered.set()
            while not passes._waiting:
                threading.Event().wait(0.002)
            give_way()
            went_on.set()

    def short() -> None:
        with passes.turn(1.0):
            if not went_on.is_set():
                threading.Thread(target=short, daemon=True).start()
                while len(passes._waiting) < 2 and not went_on.is_set():
                    threading.Event().wait(0.002)

    threading.Thread(target=long, daemon=True).start()
    entered.wait(20)
    threading.Thread(target=short, daemon=True).start()
    assert went_on.wait(20)


def test_a_pass_that_fails_lets_the_next_one_go():
    passes = Turns()
    with pytest.raises(ZeroDivisionError), passes.turn(1.0):
        1 / 0  # noqa: B018
    with passes.turn(1.0):
        pass


def test_nothing_is_called_outside_of_a_pass():
    called = []
    with calling_between_layers(lambda: called.append(1)):
        between_layers()
    between_layers()
    assert called == [1]


class Stopped(Exception):
    pass


def stop(done: int, total: int) -> None:
    raise Stopped(f"{done} of {total}")


@pytest.mark.parametrize("family", ["gpt2", "bloom"])
def test_a_generation_can_be_stopped(family, tmp_path):
    model = load_model(str(with_head(family, tmp_path / family)))
    with pytest.raises(Stopped, match="0 of"):
        model.trace(SENTENCE, generate=5, progress=stop)
    assert capture._recorder.get() is None
    assert model.trace(SENTENCE)


def test_a_pass_of_a_family_that_gives_its_own_weights_can_be_stopped(loaded):
    model = loaded("deberta-v2")
    assert model.card.capture == "materialised"
    with pytest.raises(Stopped, match="1 of 2"):
        model.trace(SENTENCE, progress=stop)
