"""Copy as Python: the lines that the toolbar writes rebuild the trace and the figures of the view."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import models
import viz
from analysis import difference
from analysis.maps import METHODS, derive, value_weighted
from models import Attention, AttentionTrace
from tests.helpers.hand_made import HOSTILE, attention, random_weights, source
from tests.helpers.node import call
from tests.helpers.read_back import unpack
from viz import DrawOptions
from viz.wire.instrument import Opening, trace_message

pytestmark = pytest.mark.slow

VIEW: dict[str, Any] = {"layer": 3, "head": 1, "first": "query", "query": None, "key": None, "region": None}
LOOK = asdict(DrawOptions())
CODE = """
import { pythonLines } from "./viz/browser/instrument/toolbar_python.js";
const result = data.map(([source, kind, selection, method]) => pythonLines(source, kind, selection, method));"""


def lines(source: dict[str, Any], kind: str = "encoder", **selected: Any) -> str:
    return call(CODE, [[source, kind, {**VIEW, **LOOK, **selected}]])[0]


def header_of(att: models.Attention, **given: Any) -> dict[str, Any]:
    return unpack(trace_message(att, Opening("test", ""), **given))[0]


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


class Asked:
    """A model that keeps what it was asked for."""

    def __init__(self, att: models.Attention) -> None:
        self.att = att
        self.loaded: tuple[Any, ...] = ()
        self.traced: tuple[Any, ...] = ()

    def load(self, *names: str, **options: Any) -> "Asked":
        self.loaded = (*names, options)
        return self

    def trace(self, *texts: str, **options: Any) -> dict[str, models.Attention]:
        self.traced = (*texts, options)
        return {self.att.kind: self.att}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    model = Asked(attention(random_weights(4, 3, 5, 7)))
    monkeypatch.setattr(models, "load_model", model.load)
    return model


def test_the_lines_rebuild_the_view(minilm: models.Model) -> None:
    att = minilm.trace("The cat sat on the mat because it was tired.")["encoder"]
    code = lines(
        header_of(att)["source"],
        query=8,
        key=2,
        region=[1, 10, 2, 9],
        threshold=0.1,
        palette="viridis",
        scale="root",
        truth=False,
    )
    made = run(code)
    look = {"threshold": 0.1, "palette": "viridis", "scale": "root", "truth": False}
    options, region = DrawOptions(**look), "1-10:2-9"
    assert made["heatmap"] == viz.heatmap(att, 3, 1, region=region, options=options)
    assert made["flow"] == viz.flow(att, 3, 1, token="query:8", region=region, options=options)
    best = made["heads"].set_index(["layer", "head"]).loc[(3, 1)]
    assert best["weight"] == pytest.approx(float(att.weights(3, 1)[8, 2]), abs=1e-6)
    assert 'load_model("minilm")' in code


@pytest.mark.parametrize("method", [name for name in METHODS if name != "attention"])
def test_the_lines_rebuild_a_derived_map(minilm: models.Model, method: str) -> None:
    text, goal = "Birds sing at dawn.", "embedding" if method == "gradient" else ""
    traced = minilm.trace(text)["encoder"]
    att = derive(method, traced, minilm, {"text": text}, goal)
    code = lines(header_of(att, show=method, goal=goal)["source"], layer=3, head=0)
    made = run(code)
    assert f'att = analysis.derive("{method}", att, model=model, inputs=inputs' in code
    assert made["att"].method == method
    for layer in range(6):
        np.testing.assert_array_equal(made["att"].layer(layer), att.layer(layer))
    assert made["heatmap"].layout.title.text.startswith(att.head_name(3, 0))
    # An exported file knows as much.
    assert lines(header_of(att.words())["source"], layer=3, head=0) == code


def test_the_lines_rebuild_a_map_that_is_not_divided(minilm: models.Model) -> None:
    text = "Birds sing at dawn."
    raw = value_weighted(minilm, text)
    made = run(lines(header_of(raw)["source"]))
    np.testing.assert_array_equal(made["att"].layer(5), raw.layer(5))
    assert raw.layer(5).max() > 1


def test_a_derived_map_of_a_file_is_made_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = attention(random_weights(4, 3, 5, 5))
    AttentionTrace.of(given).save(tmp_path / "own.npz")
    monkeypatch.chdir(tmp_path)
    att = derive("rollout", given)
    made = run(lines(header_of(att, file="own.npz", show="rollout")["source"], head=0))
    np.testing.assert_array_equal(made["att"].layer(3), att.layer(3))
    # A file that holds the map itself needs no line that makes it.
    assert "derive" not in lines(header_of(att, file="own.npz", show="attention")["source"], head=0)


def test_a_trace_from_a_file_is_loaded_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Attention.from_weights(random_weights(4, 3, 5, 5), [*HOSTILE[:5]])
    name = "a 'trace' \u202e\"猫.npz"
    AttentionTrace.of(given).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    made = run(lines(header_of(given, file=name)["source"], threshold=0.1))
    assert [token.text for token in made["att"].query_tokens] == [*HOSTILE[:5]]
    assert made["heatmap"] == viz.heatmap(given, 3, 1, options=DrawOptions(threshold=0.1))
    # In an exported file nothing tells the name: no model can make these weights.
    assert 'AttentionTrace.load("trace.npz")["encoder"]' in lines(header_of(given)["source"])


def test_a_plain_view_takes_few_lines(minilm: models.Model) -> None:
    att = minilm.trace("The cat sat.")["encoder"]
    assert lines(header_of(att)["source"]) == (
        "from headlight import load_model, viz\n\n"
        'model = load_model("minilm")\n'
        'att = model.trace("The cat sat.")["encoder"]\n'
        "heatmap = viz.heatmap(att, layer=3, head=1)\n"
        "flow = viz.flow(att, layer=3, head=1)\n"
    )


@pytest.mark.parametrize(
    "text",
    [*HOSTILE, '"""\\', "a\nb\r\n\tc\0", "\u202eevil\u2066\u200b\u2028\u2029\x85", "${x}`", "'); import os #", ""],
)
def test_any_text_comes_back_as_it_was(text: str, asked: Asked) -> None:
    given = asdict(replace(source(text), text_pair=text, target=text, generate=5))
    code = lines(given, "cross", first="key", key=4)
    run(code)
    assert asked.traced == (text, {"text_pair": text, "target": text, "generate": 5})
    assert asked.loaded == ("hand-made", {})
    # A reader sees every line that runs: nothing in a text ends a line or turns its direction.
    assert len(code.splitlines()) == code.count("\n") == 6
    assert not set("\u202e\u2066\u200b\u2028\u2029\x85") & set(code)


@pytest.mark.parametrize(
    "given",
    [
        {"text": ["Unbelievably", "good!"], "text_pair": ["So", "it's"]},
        {"text": [101, 4937, 102]},
        {"text": "[CLS] the cat", "add_special_tokens": False},
        {"text": "The cat sat.", "ablate": {(3, 1): "uniform", (0, 2): "zero"}, "mask_tokens": [2, 3]},
    ],
)
def test_a_text_comes_back_in_the_way_it_was_given(given: dict[str, Any], minilm: models.Model) -> None:
    att = minilm.trace(**given)["encoder"]
    again = run(lines(header_of(att)["source"]))["att"]
    assert again.key_tokens == att.key_tokens
    assert again.source == att.source
    np.testing.assert_array_equal(again.layer(3), att.layer(3))


def test_a_difference_comes_back_from_both_traces(minilm: models.Model) -> None:
    given = {"ablate": {(3, 1): "uniform"}, "mask_tokens": [2]}
    before, after = (minilm.trace("The cat sat.", **each)["encoder"] for each in ({}, given))
    header = header_of(difference(before, after))
    code = call(CODE, [[header["source"], "encoder", {**VIEW, **LOOK}, header["method"]]])[0]
    again = run(code)["att"]
    assert (again.method, again.source) == ("difference", after.source)
    np.testing.assert_array_equal(again.layer(3), difference(before, after).layer(3))


def test_languages_come_back(asked: Asked) -> None:
    run(lines(asdict(replace(source("a"), src_lang="fr_XX", tgt_lang="ro_RO", ids=(5, 6))), "cross"))
    assert asked.traced == ([5, 6], {"src_lang": "fr_XX", "tgt_lang": "ro_RO"})


def test_the_model_is_loaded_as_it_was(asked: Asked) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    run(lines(asdict(replace(source(), model="org/model", revision=commit, dtype="bfloat16")), "cross"))
    assert asked.loaded == ("org/model", {"revision": commit, "dtype": "bfloat16"})
    run(lines({**asdict(source()), "load": "/models/mine", "revision": "sha256:0123"}, "cross"))
    assert asked.loaded == ("/models/mine", {})
    assert header_of(asked.att)["source"]["load"] == "hand-made"
    assert header_of(asked.att, model="/models/mine")["source"]["load"] == "/models/mine"


def test_options_are_left_out_where_they_are_the_defaults(asked: Asked) -> None:
    assert "DrawOptions" not in lines(asdict(source()))
    others = {"threshold": 0.5, "palette": "greys", "scale": "root", "truth": False, "special": "dim", "sink": "dim"}
    for name, other in others.items():
        made = run(lines(asdict(source()), "cross", **{name: other}))
        assert made["options"] == replace(DrawOptions(), **{name: other})
        cells = made["heatmap"].data[0]
        weights = cells.z if cells.customdata is None else cells.customdata
        np.testing.assert_array_equal(weights, asked.att.weights(3, 1))


def test_a_sound_is_read_from_a_file_with_its_transcript_and_language() -> None:
    given = replace(source(""), audio="sha256:0123", target="Hello", src_lang="de")
    assert 'model.trace(audio="sound.wav", target="Hello", src_lang="de")["cross"]' in lines(asdict(given), "cross")
    given = replace(source(""), audio="sha256:0123")
    assert 'model.trace(audio="sound.wav")["encoder"]' in lines(asdict(given))
