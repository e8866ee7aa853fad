"""The page of a model that was trained here: its task, its answers, and which heads solve it."""

import html
import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from models.checkpoints import bundled
from models.scratch.tasks import TASKS
from models.scratch.tasks.brackets import Brackets
from models.scratch.tasks.digits import Digits
from tests.helpers.inspect_page import buttons_for_menus, head, instrument, message, messages, opened, select
from tests.helpers.page_elements import address, charts, chosen, widget
from tests.helpers.paths import APP
from ui.panels.text_input import LONGEST_NAME

pytestmark = pytest.mark.slow
SECONDS = 90
HEADS = 3 * 4
WAVE = TASKS["series"].examples[0]


def run(task: str = "", **parameters: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=SECONDS)
    place = {"layer": "0", "head": "0", **({"model": f"scratch:{task}"} if task else {})}
    app.query_params.update({**place, **parameters})
    app.run()
    assert not app.exception
    return app


def written(app: AppTest, name: str) -> list[str]:
    """Return the HTML of the page's own elements of a class."""
    bodies = [element.proto.body for element in app.get("html")]
    return [body for body in bodies if re.search(f'class="[^"]*\\b{name}\\b[^"]*"', body) and "<style" not in body]


def answers(app: AppTest) -> str:
    (body,) = written(app, "answers")
    return " ".join(html.unescape(re.sub("<[^>]+>", "", body)).split())


def true_pairs(app: AppTest) -> list[list[int]] | None:
    """Return the pairs that the browser outlines, None where the right answers are not known."""
    return instrument(app)[0]["truth"]


def heads(app: AppTest) -> dict[str, tuple[float, str]]:
    """Return each row of the table of heads: its score and its verdict."""
    (body,) = written(app, "truth")
    rows = re.findall(r"<td>(layer \d+, head \d+)</td><td>.*?</meter> ([\d.]+)%</td><td>(.*?)</td>", body)
    return {name: (float(score), verdict) for name, score, verdict in rows}


def test_a_task_its_answers_and_its_heads():
    app = run("brackets", text="([]{()})")
    said = [element.value for element in app.markdown]
    assert any(
        "**Matching brackets.** At each bracket, answer with the position of its partner." in text for text in said
    )
    assert answers(app) == "The model answers (8 of 8 right): ( → 7 [ → 2 ] → 1 { → 6 ( → 5 ) → 4 } → 3 ) → 0"
    assert messages(app) == []
    table = heads(app)
    assert len(table) == HEADS
    assert table["layer 2, head 1"][0] >= 90
    assert table["layer 2, head 1"][1] == "solves the task"
    elsewhere = [score for score, verdict in table.values() if verdict == "looks elsewhere, though the model is right"]
    assert elsewhere
    assert max(elsewhere) < 50
    # The best first: the list scrolls.
    scores = [score for score, _ in table.values()]
    assert scores == sorted(scores, reverse=True)
    told = next(caption.value for caption in app.caption if "unseen texts" in caption.value)
    assert "Layer 2, head 1 solves it alone." in told


def test_the_right_pairs_are_sent_and_the_browser_owns_the_switch_of_their_outlines():
    app = run("brackets", text="([]{()})")
    # Each bracket looks at its partner: [CLS] stands before the first one.
    assert sorted(true_pairs(app)) == [[1, 8], [2, 3], [3, 2], [4, 7], [5, 6], [6, 5], [7, 4], [8, 1]]
    sent = message(app)
    select(app, truth=False)
    assert message(app) == sent
    assert chosen(app, "inspect").draw_options().truth is False
    app = run("brackets", text="([]{()})", truth="False")
    assert opened(app)["truth"] == address(app)["truth"] == "False"
    assert "truth" not in opened(run("brackets", text="([]{()})"))


def test_a_text_of_no_task_is_one_sentence():
    app = run("brackets", text="([)]")
    assert messages(app) == [
        "The right answer is not known for this text: it is not a text of this task. Try '([]{()})'.",
    ]
    assert written(app, "answers") == []
    assert true_pairs(app) is None
    # What the heads do on unseen texts is known all the same.
    assert len(heads(app)) == HEADS


def test_a_decoder_that_reads_something_else_is_said():
    app = run("dates", text="3. März 1998", target="1998-03-04")
    assert any("or the decoder reads something else than the right answer" in message for message in messages(app))
    assert written(app, "answers") == []


def test_a_wrong_answer_is_marked_with_the_right_one(monkeypatch):
    monkeypatch.setattr(Brackets, "answer", lambda self, network, text: ("", "3", "<b>", "1", "0", ""))
    app = run("brackets", text="[{}]")
    assert answers(app) == "The model answers (3 of 4 right): [ → 3 { → <b> ✗ right: 2 } → 1 ] → 0"
    (body,) = written(app, "answers")
    assert re.findall(r'<span class="(right|wrong)"', body) == ["right", "wrong", "right", "right"]
    assert "&lt;b&gt;" in body
    assert "<b>" not in body


def test_values_are_told_as_a_share_and_shown_as_a_signal():
    app = run("series", text=WAVE)
    found = re.fullmatch(
        r"The model continues: (\d+) of 29 values are right \((\d+)%\)(; wrong from positions? [\d, ]+)?\. "
        r"A value is right within 8 of the signal without its noise\.",
        answers(app),
    )
    assert found, answers(app)
    assert round(100 * int(found[1]) / 29) == int(found[2]) > 90
    (signal,) = charts(app)
    assert "query 35" in signal["layout"]["title"]["text"]


def test_what_the_model_writes_itself_is_judged_too():
    app = run("series", text=WAVE, generate="5")
    assert " of 34 values are right" in answers(app)


def test_a_crossed_task_opens_on_its_own_attention():
    app = run("dates", text="3. März 1998")
    assert widget(app, "kind").value == "cross"
    assert instrument(app)[0]["kind"] == "cross"
    assert answers(app) == "The model answers (11 of 11 right): 1 9 9 8 - 0 3 - 0 3 [END]"
    assert len(true_pairs(app)) > 10
    # That the decoder reads what it wrote needs no warning where this is the right answer.
    assert messages(app) == []


def test_chinese_dates():
    app = run("dates", text="一九九八年三月三日")
    assert answers(app).startswith("The model answers (11 of 11 right)")


def test_digits_show_the_picture_and_what_the_model_takes_it_for(monkeypatch):
    app = run("digits")
    assert re.fullmatch(r"The model answers: 0 \(\d+% sure; it is a 0\)", answers(app))
    (body,) = written(app, "answers")
    assert 'src="data:image/png;base64,' in body
    assert 'class="right"' in body
    assert written(app, "truth") == []
    app.number_input(key="digit").set_value(2).run()
    assert not app.exception
    assert re.search(r"it is a \d\)", answers(app))
    monkeypatch.setattr(Digits, "classify", lambda self, network, picture: ("7", np.array([0.1, 0.9])))
    app.number_input(key="digit").set_value(0).run()
    assert answers(app) == "The model answers: 7 ✗ (90% sure; it is a 0)"


def test_the_models_button_opens_a_task_at_the_head_that_solves_it():
    app = run(layer="5", head="11")
    assert {button.key for button in app.button if str(button.key).startswith("open scratch:")} == {
        f"open {name}" for name in bundled.scratch_names()
    }
    app.button(key="open scratch:brackets").click().run()
    assert not app.exception
    assert widget(app, "text").value == "([]{()})"
    assert "(8 of 8 right)" in answers(app)
    assert head(app) == (2, 1)
    assert messages(app) == []
    # Another choice stays.
    sent = message(app)
    select(app, layer=0)
    app.run()
    assert chosen(app, "inspect").layer == 0
    assert message(app) == sent


def test_a_task_with_another_attention_is_opened_at_it():
    app = run("brackets", text="()", token="key:1")
    app.button(key="open scratch:dates").click().run()
    assert not app.exception
    assert widget(app, "kind").value == "cross"
    assert widget(app, "text").value == TASKS["dates"].examples[0]
    assert chosen(app, "inspect").token == ""
    assert "token" not in opened(app)
    assert true_pairs(app)


def test_long_examples_have_short_names(monkeypatch):
    app = run("series", text=WAVE)
    (menu,) = app.get("menu_button")
    names = list(menu.proto.options)
    assert len(names) == len(set(names)) == len(TASKS["series"].examples)
    assert max(map(len, names)) <= LONGEST_NAME
    buttons_for_menus(monkeypatch)
    app.run()
    app.button(key=f"examples: {names[1]}").click().run()
    assert widget(app, "text").value == TASKS["series"].examples[1]


def test_a_public_server_offers_and_opens_only_what_is_listed(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_MODELS", "scratch:recall, minilm")
    app = run("brackets", text="()")
    assert any("This server opens only these models: scratch:recall, minilm." in message for message in messages(app))
    assert [button.key for button in app.button if str(button.key).startswith("open ")] == ["open scratch:recall"]
    app.button(key="open scratch:recall").click().run()
    assert not app.exception
    assert "The model answers (2 of 2 right)" in answers(app)
    assert widget(app, "typed model").value == "scratch:recall"


def test_a_public_server_without_trained_models_offers_none(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm")
    app = run()
    assert not [button.key for button in app.button if str(button.key).startswith("open ")]
    assert not any("Trained here" in caption.value for caption in app.caption)


@pytest.mark.parametrize("task", ["brackets", "agreement", "dates", "series"])
def test_hostile_text_stays_text(task):
    app = run(task, text="<img src=x onerror=alert(1)> ![x](http://127.0.0.1:9/a.png) ___ $x$")
    assert any("The right answer is not known for this text" in message for message in messages(app))
    for element in app.get("html"):
        assert "<img src=x" not in element.proto.body
    for said in (*app.info, *app.warning, *app.error):
        assert "![x](" not in said.value
