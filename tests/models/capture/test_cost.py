"""What a trace costs is said before it starts, refused above the budget, told of while it runs, and can be stopped."""

from __future__ import annotations

import pytest
import torch

from models import errors
from models.capture import interface as capture
from models.capture.cost import Budget, Costs, Estimate, readable_seconds
from tests.helpers.small_models import SENTENCE, TARGET


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.3, "12 s"), (89.0, "89 s"), (200.0, "3 minutes"), (7300.0, "2 hours")],
)
def test_seconds_as_a_person_reads_them(seconds, shown):
    assert readable_seconds(seconds) == shown


def test_an_estimate_in_words():
    assert str(Estimate(8192, 3_100_000_000, 51.3)) == "8,192 tokens: about 51 s and 3.1 GB"


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "llama", "bart", "t5"])
def test_more_text_costs_more(family, loaded):
    model = loaded(family)
    short, long = model.estimate(SENTENCE), model.estimate(SENTENCE * 2)
    assert short.n_tokens < long.n_tokens
    assert short.n_bytes < long.n_bytes
    assert 0 < short.seconds < long.seconds


def test_the_decoder_and_the_continuation_count(loaded):
    model = loaded("bart")
    trace = model.trace(SENTENCE, target=TARGET)
    n_tokens = trace["encoder"].n_query + trace["decoder"].n_query
    assert model.estimate(SENTENCE, target=TARGET).n_tokens == n_tokens
    assert model.estimate(SENTENCE).n_tokens == trace["encoder"].n_query + 24


@pytest.mark.parametrize(
    ("family", "asked", "kind"),
    [
        ("bert", {"generate": 5}, errors.BrokenModel),
        ("bert", {"target": TARGET}, errors.NoText),
        ("gpt2", {"generate": -1}, errors.NoText),
        ("bart", {"generate": 5}, errors.NoText),
        ("bart", {"target": TARGET, "generate": 5}, errors.NoText),
        ("bart", {"target": " "}, errors.NoText),
    ],
)
def test_an_estimate_refuses_what_the_trace_refuses_in_the_same_words(family, asked, kind, loaded):
    with pytest.raises(kind) as of_trace:
        loaded(family).trace(SENTENCE, **asked)
    with pytest.raises(kind) as of_estimate:
        loaded(family).estimate(SENTENCE, **asked)
    assert str(of_estimate.value) == str(of_trace.value)


def test_a_sliding_window_is_estimated_as_its_band(loaded):
    """ModernBERT's 2 local layers of 4 grow with the text, its 2 global ones with its square."""
    costs: Costs = loaded("modernbert").costs
    assert costs.n_layers == 4
    linear = 2.0 * costs._n_multiplied * 100_000
    attention = costs._operations(100_000) - linear
    both_global = (4.0 * 42 + 80 * 3) * 2 * 100_000**2
    assert both_global < attention < 1.01 * both_global


def test_the_speed_is_learned_from_long_passes_alone(loaded):
    model = loaded("bert")
    costs = Costs(model.module, {"self": list(model.trace("the cat")["encoder"]._layers)})
    first = costs.estimate(500).seconds
    costs.learn(500, 0.01)
    assert costs.estimate(500).seconds == first
    costs.learn(4, 0.6)  # the first pass of a process: what it takes is not the tokens'
    assert costs.estimate(500).seconds == first
    costs.learn(500, 40.0)
    assert costs.estimate(500).seconds == pytest.approx(40.0)
    assert costs.estimate(1000).seconds > 80


REMEDY = "shorten the text or choose a smaller model."


@pytest.mark.parametrize(
    ("budget", "kind", "sentence"),
    [
        (Budget(n_bytes=999_999), errors.NotEnoughMemory, "needs about 2.0 MB, and this server allows 1000 kB"),
        (Budget(seconds=4.5), errors.TooLong, "would take about 5.0 s, and this server allows 4.5 s"),
        (Budget(), None, ""),
        (Budget(n_bytes=2_000_000, seconds=5.0), None, ""),
    ],
)
def test_a_budget_refuses_what_costs_more(budget, kind, sentence):
    estimate = Estimate(1234, 2_000_000, 5.0)
    if kind is None:
        budget.admit(estimate)
        return
    with pytest.raises(kind) as caught:
        budget.admit(estimate)
    assert str(caught.value) == f"Tracing 1,234 tokens {sentence} to one text: {REMEDY}"


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "bart"])
def test_the_budget_holds_before_anything_runs(family, loaded, monkeypatch):
    model = loaded(family)
    monkeypatch.setattr(model.module, "forward", lambda *given, **options: pytest.fail("ran"))
    with pytest.raises(errors.TooLong, match=r"^Tracing \d+ tokens would take about .* shorten the text"):
        model.trace(SENTENCE, budget=Budget(seconds=0.0))
    with pytest.raises(errors.NotEnoughMemory, match="this server allows 10 bytes to one text"):
        model.trace(SENTENCE, budget=Budget(n_bytes=10))


@pytest.mark.parametrize(
    ("family", "n_calls"), [("bert", 2), ("modernbert", 4), ("bart", 2 + 3 + 3), ("deberta-v2", 2)]
)
def test_progress_is_told_layer_by_layer(family, n_calls, loaded):
    model, told = loaded(family), []
    more = {"target": TARGET} if "cross" in model.card.kinds else {}
    model.trace(SENTENCE, progress=lambda done, total: told.append((done, total)), **more)
    if model.card.capture == "replayed":
        assert told == [(done, n_calls) for done in range(1, n_calls + 1)]
    else:
        assert told == [(done, n_calls) for done in range(1, n_calls + 1)]


class Stopped(Exception):
    pass


def test_a_stopped_pass_runs_no_further_and_leaves_nothing(loaded, monkeypatch):
    model = loaded("modernbert")
    before = model.trace(SENTENCE)["encoder"].layer(3)
    ran = []
    for number, part in enumerate(model.module.layers):
        part.register_forward_hook(lambda *given, number=number: ran.append(number))

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        model.trace(SENTENCE, progress=stop)
    assert ran == [0]  # the second layer was stopped in its attention
    assert capture._recorder.get() is None
    assert not torch.is_inference_mode_enabled()
    for part in model.module.layers:
        part._forward_hooks.clear()
    assert (model.trace(SENTENCE)["encoder"].layer(3) == before).all()


def test_pooled_layers_are_computed_when_asked_for(minilm, monkeypatch):
    attention = minilm.trace(SENTENCE)["encoder"]
    asked = []
    band = type(attention._layers[0]).band
    monkeypatch.setattr(
        "models.capture.replay.Replay.band", lambda self, *where: asked.append(id(self)) or band(self, *where)
    )
    maps = attention.pooled_layers(5)
    assert asked == []
    first = next(maps)
    assert set(asked) == {id(attention._layers[0])}
    assert (first == attention.pooled_layer(0, 5)).all()
    assert len(list(maps)) == attention.n_layers - 1
