"""The page "Heads" without a browser: its numbers, its query, what it opens, and what it says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analysis.measures import head_distance, head_table, head_table_of_texts, induction_table
from models import Attention, AttentionTrace, load_model
from tests.helpers.e2e_models import save_bart
from tests.helpers.hand_made import random_weights
from tests.helpers.inspect_page import head, instrument, messages
from tests.helpers.page_elements import address, charts, chosen, widget
from tests.helpers.paths import APP
from ui.state.inspect import DEFAULT_TEXT

pytestmark = pytest.mark.slow
SECONDS = 240


@pytest.fixture(autouse=True)
def _waits(monkeypatch):
    monkeypatch.setattr("ui.panels.on_demand.QUICK_SECONDS", 120.0)


@pytest.fixture(scope="module")
def att():
    return load_model("minilm").trace(DEFAULT_TEXT)["encoder"]


def run(**parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=SECONDS)
    app.switch_page("ui/pages/heads.py")
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def inspect(**parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=SECONDS)
    app.query_params.update(parameters)
    return app.run()


def executed(app: AppTest) -> pd.DataFrame:
    """Return the table that the page's Python makes."""
    made: dict = {}
    exec(app.code[0].value, made)
    return made["table"]


def shown(app: AppTest) -> pd.DataFrame:
    (table,) = app.dataframe
    return table.value.set_index(["layer", "head"])


def test_it_opens_on_the_numbers_of_all_heads(att):
    app = run()
    expected = head_table(att)
    assert messages(app) == []
    pd.testing.assert_frame_equal(shown(app)[["entropy_bits", "previous"]], expected[["entropy_bits", "previous"]])
    assert len(charts(app)) == 3
    grid, scatter, places = charts(app)
    assert np.array(grid["data"][0]["z"], float) == pytest.approx(expected["entropy_bits"].to_numpy().reshape(6, 12))
    assert grid["data"][0]["zmax"] == pytest.approx(np.log2(att.n_key))
    assert scatter["data"][0]["y"] == pytest.approx(expected["previous"].tolist())
    assert "stress 0." in places["layout"]["title"]["text"]
    assert all(drawn["clicks"] for drawn in charts(app))
    assert address(app) == {}


def test_a_query_filters_the_table_and_marks_the_heads_in_all_pictures(att):
    app = run(find="previous > 0.3")
    expected = head_table(att).query("previous > 0.3")
    assert list(shown(app).index) == list(expected.index)
    assert f"**{len(expected)} of 72 heads**" in " ".join(each.value for each in app.markdown)
    assert all(f"{len(expected)} of 72 found" in drawn["layout"]["title"]["text"] for drawn in charts(app))
    widget(app, "heads_find").set_value("previous > 2").run()
    assert "None of the 72 heads satisfies this" in " ".join(each.value for each in app.markdown)
    assert len(app.dataframe) == 0
    widget(app, "heads_find").set_value("__import__('os') > 1").run()
    assert len(messages(app)) == 1
    assert len(shown(app)) == 72


def test_a_chosen_head_names_those_like_it_and_opens_in_inspect(att):
    app = run(head="3.1", text=DEFAULT_TEXT)
    apart = head_distance(att)[(3, 1)].drop((3, 1)).sort_values().head(6)
    nearest = [f"{layer}.{number} · {apart[(layer, number)]:.3f}" for layer, number in apart.index]
    assert [button.label for button in app.button if " · " in button.label] == nearest
    app.button(key=f"like {nearest[0].split(' ')[0]}").click().run()
    assert address(app)["head"] == nearest[0].split(" ")[0]
    widget(app, "heads_head").set_value("2.9").run()
    app.button(key="open head").click().run()
    assert not app.exception
    assert head(app) == (2, 9)
    assert chosen(app, "inspect").text == DEFAULT_TEXT
    app.switch_page("ui/pages/heads.py").run()
    assert chosen(app, "heads").head == "2.9"


def test_whatever_inspect_reads_is_measured_and_there_again_on_the_way_back():
    read = {"text": "Birds sing at dawn", "pair": "Dogs sleep.", "ablate": "1.2:zero", "mask": "2", "show": "gradient"}
    app = inspect(**read, layer="4", head="7")
    before = chosen(app, "inspect")
    app.button(key="to heads").click().run()
    assert not app.exception
    changed = load_model("minilm").trace(
        read["text"], text_pair=read["pair"], ablate={(1, 2): "zero"}, mask_tokens=[2]
    )["encoder"]
    expected = head_table(changed)
    assert shown(app)["first"].to_dict() == pytest.approx(expected["first"].to_dict())
    assert address(app) == {**read, "head": "4.7"}
    assert executed(app)["first"].to_dict() == pytest.approx(expected["first"].to_dict())
    widget(app, "heads_head").set_value("2.9").run()
    app.button(key="open head").click().run()
    assert chosen(app, "inspect") == replace(before, layer=2, head=9)
    app.switch_page("ui/pages/heads.py").run()
    assert address(app) == {**read, "head": "2.9"}


def test_each_line_is_read_with_all_that_goes_with_it():
    lines = ["A cat sat.", "Dogs ran home quickly."]
    app = run(text="\n\n".join(lines), pair="It rained.", lines="on", ablate="0.0:zero")
    model = load_model("minilm")
    tables = [
        head_table(model.trace(line, text_pair="It rained.", ablate={(0, 0): "zero"})["encoder"]) for line in lines
    ]
    both = np.stack([table["first"].to_numpy() for table in tables])
    assert shown(app)["first"].to_numpy() == pytest.approx(both.mean(0))
    assert shown(app)["first spread"].to_numpy() == pytest.approx(both.std(0, ddof=1))
    assert executed(app)["first"].to_numpy() == pytest.approx(both.mean(0))


def test_a_trace_from_a_file_is_measured(tmp_path):
    att = Attention.from_weights(random_weights(2, 3, 7, 7), list("abcdefg"))
    AttentionTrace.of(att).save(tmp_path / "given.npz")
    app = inspect()
    app.session_state["trace file"] = True
    app.run()
    app.file_uploader[0].upload("given.npz", (tmp_path / "given.npz").read_bytes()).run()
    app.button(key="to heads").click().run()
    assert not app.exception
    assert shown(app)["previous"].to_dict() == pytest.approx(head_table(att)["previous"].to_dict())
    assert "AttentionTrace.load('given.npz')" in app.code[0].value
    assert "heads_repeated" not in {toggle.key for toggle in app.toggle}  # it needs the model
    widget(app, "heads_head").set_value("1.2").run()
    app.button(key="open head").click().run()
    assert (head(app), instrument(app)[0]["source"]["file"]) == ((1, 2), "given.npz")


def test_measures_that_are_defined_for_no_head_are_not_offered(tmp_path):
    app = run(model=str(save_bart(tmp_path / "bart")), kind="cross", y="previous", measure="sink")
    assert "previous" not in shown(app)
    assert all(drawn["data"][0].get("z") or drawn["data"][0]["x"] for drawn in charts(app))
    assert any("Previous token" in each.value and "not defined" in each.value for each in app.caption)


@pytest.mark.parametrize("lines", ["off", "on"])
def test_its_python_makes_the_same_numbers(lines):
    text = 'He said "it\'s".\nDogs ran \\ home.'
    app = run(text=text, lines=lines, find="previous > 0.01", head="0.2", repeated="on")
    table = executed(app)
    assert table["first"].to_list() == pytest.approx(shown(app)["first"].to_list())
    assert {"induction", "duplicate", "previous_repeated"} <= set(table)


def test_several_texts_have_a_mean_and_a_spread():
    lines = "A cat sat.\nDogs ran home quickly.\n\nIt rained."
    texts = [line for line in lines.splitlines() if line]
    app = run(text=lines, lines="on", spread="on", measure="first")
    expected = head_table_of_texts(load_model("minilm"), texts)
    table = shown(app)
    for name, part in (("first", "mean"), ("first spread", "spread")):
        assert table[name].to_numpy() == pytest.approx(expected[("first", part)].to_numpy(float))
    title = charts(app)[0]["layout"]["title"]["text"]
    assert "spread over 3 texts" in title
    assert charts(app)[1]["data"][0]["error_y"]["array"] == pytest.approx(
        expected[("previous", "spread")].to_numpy(float)
    )


def test_a_repeated_sequence_adds_measures_that_can_be_searched():
    app = run(repeated="on", measure="induction", find="duplicate > 0.2")
    expected = induction_table(load_model("minilm"))
    found = expected[expected["duplicate"] > 0.2]
    assert 0 < len(found) < 72
    assert shown(app)["induction"].to_dict() == pytest.approx(found["induction"].to_dict())
    assert "Induction of all heads" in charts(app)[0]["layout"]["title"]["text"]
    widget(app, "heads_find").set_value("").run()
    widget(app, "heads_repeated").set_value(False).run()
    assert "induction" not in shown(app)
    assert chosen(app, "heads").measure == "entropy_bits"


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"head": "9.9"}, "There is no head 9.9 here: no head is selected."),
        ({"kind": "cross"}, "There is no cross attention here: encoder attention is shown instead."),
        ({"measure": "beauty"}, "The link's measure is ignored: 'beauty' is none of entropy_bits"),
        ({"model": "no-such-model"}, "no-such-model"),
        ({"text": " "}, "text"),
    ],
)
def test_what_is_wrong_is_one_sentence(parameters, sentence):
    said = messages(run(**parameters))
    assert len(said) == 1
    assert sentence in said[0]
