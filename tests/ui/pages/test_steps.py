"""The page "Step by step", run without a browser: its figures, its switches, its address, and what it says."""

import html
import re

import numpy as np
import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from analysis.steps import Matrices, attention_steps
from models import load_model
from models.capture.head_internals import head_internals
from tests.helpers.page_elements import address, chosen, widget
from tests.helpers.paths import APP, golden
from ui.services.jobs import Jobs
from ui.state.kinds import write_matrix

pytestmark = pytest.mark.slow
SECONDS = 240
GOLDEN = golden("three_words")


def run(**parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=SECONDS)
    app.switch_page("ui/pages/steps.py")
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def messages(app: AppTest) -> list[str]:
    return [element.value.replace("\\", "") for element in (*app.warning, *app.error, *app.info)]


def drawn(app: AppTest) -> dict[str, np.ndarray]:
    """Return the numbers of every matrix on the page by its symbol, the first one of each."""
    found: dict[str, np.ndarray] = {}
    for element in app.get("html"):
        for figure in re.findall(r'<figure class="matrix" .*?</figure>', element.proto.body):
            caption = re.search(r"<figcaption>(.*?) <small>", figure)[1]
            rows = [re.findall(r"<td [^>]*>(.*?)</td>", row) for row in figure.split("<tbody>")[1].split("</tr>")[:-1]]
            numbers = [[float(cell.replace("−", "-").replace("∞", "inf")) for cell in row] for row in rows]
            found.setdefault(re.sub("<.*?>", "", caption), np.array(numbers))
    return found


def written(app: AppTest) -> str:
    return html.unescape(" ".join(re.sub("<.*?>", " ", element.proto.body) for element in app.get("html")))


def spread(app: AppTest) -> list[tuple[float, float]]:
    """Return the entropy and the largest weight of each row."""
    body = next(element.proto.body for element in app.get("html") if "entropy (bits)" in element.proto.body)
    rows = [re.findall(r"</i>(.*?)</td>", row) for row in body.split("<tbody>")[1].split("</tr>")[:-1]]
    return [(float(bits.replace("−", "-")), float(largest)) for bits, largest in rows]


def test_opens_on_the_golden_figures():
    app = run()
    found = drawn(app)
    for symbol, name in (
        ("x", "x"),
        ("Wq", "w_q"),
        ("Wk", "w_k"),
        ("Wv", "w_v"),
        ("Q", "q"),
        ("V", "v"),
        ("S", "scores"),
        ("Z", "scaled_scores"),
        ("A", "weights"),
        ("O", "output"),
    ):
        # Four decimals are shown.
        np.testing.assert_allclose(found[symbol], np.array(GOLDEN[name]), rtol=0, atol=5.1e-5, err_msg=symbol)
    np.testing.assert_allclose(found["KT"], found["K"].T)
    assert messages(app) == []
    assert any("s_{0,2}" in formula.value and "= 1.452" in formula.value for formula in app.latex)
    assert any("1706.03762" in caption.value for caption in app.caption)


def test_what_is_worked_out_is_the_chosen_pair():
    app = run(query="1", key="0")
    formulas = [element.value for element in app.latex]
    assert any(r"s_{1,0} = q_{1} \cdot k_{0}" in formula and "= 1.064" in formula for formula in formulas)
    assert any("= 0.2838" in formula for formula in formulas)
    assert any("likes looks at she" in element.value.replace("\\", "") for element in app.markdown)


def test_the_switches_change_the_steps():
    app = run()
    widget(app, "steps_causal").set_value(True).run()
    assert np.isneginf(drawn(app)["M"][0, 1:]).all()
    assert drawn(app)["A"][0].tolist() == [1, 0, 0]
    widget(app, "steps_scaling").set_value(False).run()
    assert "Z" not in drawn(app)
    assert address(app)["scaling"] == "off"
    assert address(app)["causal"] == "on"


def test_several_heads_have_weights_of_their_own():
    app = run(heads="2")
    found = drawn(app)
    assert {"A0", "A1", "Wo", "concat", "output"} <= set(found)
    assert found["Q0"].shape == (3, 2)
    np.testing.assert_allclose(found["concat"], np.c_[found["O0"], found["O1"]])
    assert np.abs(found["A0"] - found["A1"]).max() > 0.001


def test_one_to_ten_saturates_and_a_temperature_undoes_it():
    app = run()
    app.button(key="steps example rows").click().run()
    assert drawn(app)["S"].tolist() == [[55, 130], [130, 330]]
    assert widget(app, "steps_scaling").value is False
    assert [largest for _, largest in spread(app)] == [1, 1]
    assert all(bits < 1e-20 for bits, _ in spread(app))
    # What the page says of this example.
    widget(app, "steps_scaling").set_value(True).run()
    scaled = drawn(app)["Z"]
    assert (scaled[:, 1] - scaled[:, 0]).round().tolist() == [34, 89]
    assert all(bits < 1e-10 for bits, _ in spread(app))
    widget(app, "steps_temperature").set_value(32.0).run()
    assert spread(app)[0] == pytest.approx((0.8262, 0.7404), abs=1e-3)
    app.button(key="steps example words").click().run()
    assert drawn(app)["A"][0] == pytest.approx([0.3357, 0.3, 0.3643], abs=1e-4)
    assert address(app).get("example") is None


def test_the_address_restores_the_numbers():
    x = np.array(GOLDEN["x"])
    x[0, 1] = -2.5
    app = run(x=write_matrix(x), words="I|drink|tea", temperature="0.5", query="2")
    assert drawn(app)["x"][0, 1] == -2.5
    assert "drink" in written(app)
    expected = attention_steps(Matrices(x, *(np.array(GOLDEN[name]) for name in ("w_q", "w_k", "w_v"))))
    np.testing.assert_allclose(drawn(app)["S"], expected.scores[0], rtol=0, atol=5.1e-5)
    app.button(key="steps_reset").click().run()
    assert drawn(app)["x"][0, 1] == 0.9
    assert "x" not in address(app)
    assert address(app)["temperature"] == "0.5"


def test_words_that_are_markup_are_text():
    app = run(words="<img src=x onerror=pwned()>|**b**|$x$")
    bodies = "".join(element.proto.body for element in app.get("html"))
    assert "&lt;img src=x" in bodies
    assert "<img" not in bodies
    assert not any("**b**" in element.value for element in app.markdown)


def edit(monkeypatch, cell: tuple[int, str], value: object) -> None:
    """Let the first cells of x be as if a visitor had typed `value` there."""
    shown = streamlit.data_editor

    def typed(frame, **options):
        given_back = shown(frame, **options)
        if "word" in given_back:
            given_back = given_back.astype({"0": object})
            given_back.loc[cell[0], cell[1]] = value
        return given_back

    monkeypatch.setattr("streamlit.data_editor", typed)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "x has no number in row 1, column 0: put a number from -1,000,000 to 1,000,000 there."),
        (float("nan"), "x has no number in row 1, column 0"),
        (1e300, "x has 1e+300 in row 1, column 0"),
        (float("-inf"), "x has -inf in row 1, column 0"),
    ],
)
def test_a_cell_that_is_no_number_is_one_sentence(monkeypatch, value, sentence):
    edit(monkeypatch, (1, "0"), value)
    app = run()
    (said,) = messages(app)
    assert sentence in said
    assert said.endswith("The pictures show the numbers before.")
    assert drawn(app)["x"][1, 0] == 0.8
    widget(app, "steps_causal").set_value(True).run()
    assert "M" in drawn(app)


def test_an_edited_cell_is_followed_and_in_the_address(monkeypatch):
    edit(monkeypatch, (1, "0"), -7.5)
    app = run()
    assert drawn(app)["x"][1, 0] == -7.5
    assert address(app)["x"] == "0.2,0.9,0.1,0.5;-7.5,0.3,0.7,0.2;0.4,0.6,0.3,0.9"


def test_a_word_that_was_emptied_keeps_its_row(monkeypatch):
    edit(monkeypatch, (2, "word"), None)
    app = run()
    assert address(app)["words"] == "she|likes|·"
    assert drawn(app)["x"].shape == (3, 4)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"x": "1,2"}, "The link's x is ignored: '1,2' is no matrix of 3 rows and 4 columns."),
        ({"w_q": "nan" + ",0" * 3 + ";0,0,0,0" * 3}, "W_q has no number in row 0, column 0: put a number"),
        ({"w_v": "1e300" + ",0" * 3 + ";0,0,0,0" * 3}, "W_v has 1e+300 in row 0, column 0"),
        ({"words": "one"}, "The link's words is ignored: there are 3 words, not 1."),
        ({"temperature": "3"}, "The link's temperature is ignored: '3' is none of 0.01, 0.1"),
        ({"scaling": "1"}, "The link's scaling is ignored: '1' is none of on, off."),
        ({"heads": "3"}, "The link's heads is ignored: '3' is none of 1, 2, 4."),
        ({"example": "rows", "heads": "2"}, "5 columns cannot be shared by 2 heads: 1 head is shown instead."),
        ({"part": "x"}, "The link's part is ignored: 'x' is none of words, head."),
        ({"part": "head", "layer": "9"}, "There is no layer 9 here: layer 5 is shown instead."),
        ({"part": "head", "kind": "cross"}, "There is no cross attention here: encoder attention is shown instead."),
        ({"part": "head", "text": " "}, "There is nothing to inspect"),
        ({"part": "head", "model": "no such model"}, "No model is called 'no such model'"),
    ],
)
def test_what_is_wrong_is_one_sentence(parameters, sentence):
    said = messages(run(**parameters))
    assert len(said) == 1, said
    assert sentence in said[0]


def test_words_and_keys_beyond_the_last_give_way():
    app = run(query="40", key="9", of_head="7")
    assert address(app)["query"] == "2"
    app = run(part="head", query_token="400", text="Birds sing")
    assert widget(app, "steps_query_token").value == 3


def test_a_real_head_is_shown_from_the_inside(minilm):
    app = run(part="head")
    head = head_internals(minilm, "The cat sat on the mat because it was tired.", 5, 11)
    text = re.sub(r"\s+", " ", written(app))
    assert "cat (2) 27.195 4.807 1.0000 0.7118" in text
    assert any(f"at most {head.exact:.1g}" in caption.value for caption in app.caption)
    widget(app, "steps_key_token").set_value(6).run()
    assert any("s_{8,6}" in element.value for element in app.latex)
    assert address(app)["key_token"] == "6"
    widget(app, "steps_text").set_value("Birds sing at dawn").run()
    assert "dawn (4)" in written(app)
    widget(app, "steps_head").set_value(3).run()
    assert address(app)["head"] == "3"
    assert messages(app) == []


def test_a_model_whose_heads_cannot_be_opened_is_refused(monkeypatch, minilm):
    monkeypatch.setattr(
        "ui.panels.steps_head.head_internals", lambda *given, **options: (_ for _ in ()).throw(RuntimeError("secret"))
    )
    app = run(part="head", text="a text that no other test opens")
    assert any("did not expect" in message for message in messages(app))
    assert not any("secret" in message for message in messages(app))


def test_a_public_server_opens_only_its_own_models(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm")
    app = run(part="head", model="/etc")
    assert messages(app) == ["This server opens only its own models: minilm is shown instead."]
    assert widget(app, "steps_model").options == ["minilm"]


def test_a_public_server_forgets_the_revision_with_the_model(monkeypatch):
    opened, minilm = [], load_model("minilm")
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm, org/fixed@v1")
    monkeypatch.setattr("ui.services.models._MODELS", Jobs(2, lambda: float("inf")))
    monkeypatch.setattr(
        "ui.services.models.load_model", lambda name, revision, access: opened.append((name, revision or "")) or minilm
    )
    app = run(part="head", model="org/fixed", revision="v2")
    assert messages(app) == ["This server opens only one revision of org/fixed, v1: leave the revision out."]
    widget(app, "steps_model").set_value("minilm").run()
    widget(app, "steps_model").set_value("org/fixed").run()
    assert messages(app) == []
    assert list(dict.fromkeys(opened)) == [("minilm", ""), ("org/fixed", "v1")]


def test_long_texts_take_what_the_server_gives(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_MOST_BYTES", "1000")
    assert any("this server allows" in message for message in messages(run(part="head", text="A budget too small.")))


def test_a_text_too_long_for_a_link_is_told():
    app = run(part="head")
    widget(app, "steps_text").set_value("a cat sat " * 300).run()
    assert any("too long for a link" in caption.value for caption in app.caption)
    assert "text" not in address(app)


def test_the_pages_keep_their_choices_apart():
    app = run(heads="2", query="1")
    app.switch_page("ui/pages/inspect.py").run()
    assert not app.exception
    widget(app, "text").set_value("Birds sing at dawn").run()
    app.switch_page("ui/pages/steps.py").run()
    assert not app.exception
    assert "A1" in drawn(app)
    assert chosen(app, "steps").query == 1
    app.switch_page("ui/pages/inspect.py").run()
    assert not app.exception
    assert widget(app, "text").value == "Birds sing at dawn"
