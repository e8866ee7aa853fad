"""Copy as Python: the lines that the toolbar writes rebuild the trace and the figures of the view."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

import models
import viz
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
const result = data.map(([source, kind, selection]) => pythonLines(source, kind, selection));"""


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


def test_a_plain_view_takes_few_lines(minilm: models.Model) -> None:
    att = minilm.trace("The cat sat.")["encoder"]
    assert lines(header_of(att)["source"]) == (
        "import viz\nfrom models import load_model\n\n"
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
    assert len(code.splitlines()) == code.count("\n") == 7
    assert not set("\u202e\u2066\u200b\u2028\u2029\x85") & set(code)


@pytest.mark.parametrize(
    "given",
    [
        {"text": ["Unbelievably", "good!"], "text_pair": ["So", "it's"]},
        {"text": [101, 4937, 102]},
        {"text": "[CLS] the cat", "add_special_tokens": False},
    ],
)
def test_a_text_comes_back_in_the_way_it_was_given(given: dict[str, Any], minilm: models.Model) -> None:
    att = minilm.trace(**given)["encoder"]
    again = run(lines(header_of(att)["source"]))["att"]
    assert again.key_tokens == att.key_tokens
    assert again.source == att.source
    np.testing.assert_array_equal(again.layer(3), att.layer(3))


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
