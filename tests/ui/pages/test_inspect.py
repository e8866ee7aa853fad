"""The page's script, run without a browser: what it shows, and what it says when something is wrong."""

import re
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from models import load_model
from models.checkpoints import bundled
from tests.helpers.inspect_page import head, instrument, message, messages, opened, run, select, tokens
from tests.helpers.page_elements import address, charts, widget
from tests.helpers.whole_minilm import save_whole_minilm
from ui.services.jobs import Jobs

pytestmark = pytest.mark.slow


def test_opens_on_a_sentence_already_inspected_at_a_head_that_shows_its_point():
    app = run()
    assert widget(app, "text").value == "The cat sat on the mat because it was tired."
    assert opened(app) == {"layer": "3", "head": "1", "token": "query:8", "partner": "key:2"}
    assert (tokens(app)[8], tokens(app)[2]) == ("it", "cat")
    assert any("22.7 M parameters" in caption.value.replace("\\", "") for caption in app.caption)
    assert messages(app) == []
    # Plotly comes when a visitor asks for its picture.
    assert charts(app) == []


def test_the_message_has_the_figures_of_each_head_and_what_they_mean():
    header, arrays = instrument(run())
    figures = arrays["measures"].reshape(6, 12, -1)
    assert [title for _, title, *_ in header["measures"]] == [
        "Entropy",
        "Mean distance",
        "First token",
        "Separators",
        "Previous token",
        "Next token",
        "Itself",
    ]
    assert all(len(meaning) >= 10 for _, _, meaning, _ in header["measures"])
    titles = [title for _, title, *_ in header["measures"]]
    assert figures[0, 2, titles.index("Previous token")] == pytest.approx(1, abs=5e-4)


def test_the_message_has_the_weights_of_which_the_browser_lists_the_strongest_pairs():
    _, arrays = instrument(run())
    weights = arrays["weights"].reshape(6, 12, 13, 13)[5, 11]
    assert weights.argmax() == 2 * 13 + 2
    assert weights.max() == pytest.approx(0.918, abs=1e-3)


def test_tokens_are_no_part_of_the_pages_html():
    app = run(text="<b>bold</b> & <script>")
    assert "<" in tokens(app)
    for element in app.get("html"):
        body = element.proto.body.partition("</style>")[2] if "<style" in element.proto.body else element.proto.body
        assert "script" not in body
        assert "bold" not in body


def test_another_text_and_head():
    app = run()
    widget(app, "text").set_value("Birds sing at dawn").run()
    assert tokens(app)[1:-1] == ["birds", "sing", "at", "dawn"]
    assert address(app)["text"] == "Birds sing at dawn"
    # The browser keeps its selection: nothing tells it to open another.
    assert instrument(app)[0]["opening"] == instrument(run_again(app))[0]["opening"]
    sent = message(app)
    select(app, layer=2, head=7)
    assert message(app) == sent
    assert address(app)["text"] == "Birds sing at dawn"


def run_again(app: AppTest) -> AppTest:
    widget(app, "text").set_value("Fish swim at night").run()
    widget(app, "text").set_value("Birds sing at dawn").run()
    return app


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"layer": "x"}, "The link's layer is ignored"),
        ({"layer": "7", "head": "40"}, "There is no layer 7, head 40 here: layer 5, head 11 is shown instead."),
        ({"kind": "cross"}, "There is no cross attention here: encoder attention is shown instead."),
        ({"token": "key:99"}, "There is no token key:99 here: the token graph shows all tokens."),
        ({"region": "4-2:0-1"}, "The link's region is ignored"),
        (
            {"region": "2-4:1-400"},
            "There is no region of queries 2 to 4, keys 1 to 400 here: queries 2 to 4, keys 1 to 12 are shown instead.",
        ),
        (
            {"region": "2-4:1-5", "token": "query:8"},
            "The token query:8 is outside the region: the token graph shows all of the region's tokens.",
        ),
        ({"text": " "}, "There is nothing to inspect: the text is empty or has no visible character"),
        ({"model": "no such model"}, "No model is called 'no such model'"),
        ({"model": "org/model"}, "org/model is not a bundled name, not a folder here and not in the hub's cache"),
        ({"text": "猫"}, "The only token of the text is [UNK]"),
    ],
)
def test_what_is_wrong_is_one_sentence(parameters, sentence):
    said = messages(run(**parameters))
    assert any(sentence in message for message in said), said


def test_a_link_opens_a_region_of_a_long_text_exactly_and_the_whole_head_in_blocks(tmp_path):
    model = str(save_whole_minilm(tmp_path / "minilm-512"))
    text = "the cat sat on the mat and " * 60
    # Of the whole head, the token graph and the strip show a readable part.
    for parameters, sent in (
        ({"region": "0-63:128-191"}, [([0, 63, 128, 191], [1, 1])]),
        ({}, [([0, 421, 0, 421], [4, 4]), ([0, 127, 0, 127], [1, 1])]),
        ({"token": "query:300"}, [([0, 421, 0, 421], [4, 4]), ([236, 363, 236, 363], [1, 1])]),
    ):
        app = run(text=text, layer="2", head="7", model=model, **parameters)
        tiles = instrument(app)[0]["tiles"]
        assert {tuple(tile["shown"]) for tile in tiles} == {(2, 7)}
        assert [(tile["region"], tile["block"]) for tile in tiles] == sent
        assert address(app).get("region") == parameters.get("region")
        assert messages(app) == []


def test_another_text_lets_go_what_it_does_not_have_without_a_word():
    for selection in ({"region": "2-4:1-12"}, {"token": "query:8", "partner": "key:2"}, {"token": "key:11"}):
        app = run(layer="5", head="11", **selection)
        assert messages(app) == []
        widget(app, "text").set_value("Birds sing at dawn").run()
        assert tokens(app)[1:-1] == ["birds", "sing", "at", "dawn"]
        assert messages(app) == []


def test_a_link_and_its_text_are_told_apart_from_the_next_text():
    app = run(layer="5", head="11", token="key:99")
    (notice,) = messages(app)
    assert notice.startswith("There is no token key:99 here")
    select(app, token="key:1")
    assert messages(app) == [notice]
    widget(app, "text").set_value("Birds sing at dawn").run()
    assert messages(app) == []


def test_after_a_wrong_model_the_page_works_on():
    app = run(model="org/model", text="Birds sing at dawn")
    assert "dawn" in tokens(app)
    app.text_input(key="typed model").set_value("minilm").run()
    assert messages(app) == []


def test_a_name_that_was_refused_stays_to_be_corrected():
    app = run()
    app.text_input(key="typed model").set_value("no/such model").run()
    assert any("No model is called" in message for message in messages(app))
    assert app.text_input(key="typed model").value == "no/such model"
    assert "model" not in address(app)
    widget(app, "text").set_value("Birds sing at dawn").run()
    assert app.text_input(key="typed model").value == "no/such model"
    assert messages(app) == []


def test_a_model_that_was_trained_here_opens_with_a_text_of_its_task_at_the_head_that_solves_it():
    by_link, by_name = run(model="scratch:brackets"), run()
    by_name.text_input(key="typed model").set_value("scratch:brackets").run()
    for app in (by_link, by_name):
        assert messages(app) == []
        assert widget(app, "text").value == "([]{()})"
        assert head(app) == (2, 1)
    by_name.text_input(key="typed model").set_value("minilm").run()
    assert messages(by_name) == []
    assert widget(by_name, "text").value == "The cat sat on the mat because it was tired."
    assert head(by_name) == (3, 1)


def test_a_head_that_nobody_asked_for_is_no_complaint():
    assert messages(run(model="scratch:previous", text="a b a")) == []
    (notice,) = messages(run(model="scratch:previous", text="a b a", layer="5", head="11"))
    assert notice.startswith("There is no layer 5, head 11 here")


def test_a_sentence_pair_is_told_while_it_counts():
    app = run(pair="Blue birds fly")
    labels = [block.proto.popover.label for block in app.get("popover")]
    assert any("Sentence pair: Blue birds fly" in label for label in labels)
    widget(app, "pair").set_value("").run()
    labels = [block.proto.popover.label for block in app.get("popover")]
    assert not any("Sentence pair" in label for label in labels)


def test_a_parameter_that_does_not_exist_is_told():
    (notice,) = messages(run(threshhold="0.5"))
    assert notice == "The link's 'threshhold' is ignored: there is no such parameter."
    assert messages(run(embed="true")) == []


def test_an_error_that_nobody_expected_is_for_the_log(monkeypatch, caplog):
    model = load_model("minilm")

    def fail(*given, **options):
        raise RuntimeError("secret details of /srv")

    monkeypatch.setattr(type(model), "trace", fail)
    app = run(text="a text that no other test traces")
    assert any("did not expect" in message for message in messages(app))
    assert not any("secret" in message for message in messages(app))
    assert "secret details" in caplog.text


def test_a_public_server_opens_only_its_own_models(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm")
    app = run(model="/etc")
    assert any("This server opens only these models: minilm." in message for message in messages(app))
    assert app.selectbox(key="typed model").options == ["minilm"]


def test_a_public_server_opens_a_model_at_the_listed_revision_alone(monkeypatch):
    opened, minilm = [], load_model("minilm")
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm, org/allowed, org/fixed@v1")
    monkeypatch.setattr("ui.services.models._MODELS", Jobs(2, lambda: float("inf")))
    monkeypatch.setattr(
        "ui.services.models.load_model", lambda name, revision, access: opened.append((name, revision or "")) or minilm
    )
    app = run(model="org/allowed", revision="refs/pr/7")
    sentence = "This server opens only one revision of org/allowed, the hub's own: leave the revision out."
    assert sentence in messages(app)
    assert opened == [("minilm", "")]
    app = run(model="org/fixed", revision="v1")
    assert messages(app) == []
    # What the address says of one model's revision is no revision of another.
    app.selectbox(key="typed model").set_value("org/allowed").run()
    assert messages(app) == []
    assert list(dict.fromkeys(opened)) == [("minilm", ""), ("org/fixed", "v1"), ("org/allowed", "")]


def test_a_public_server_without_the_bundled_model_opens_its_own(monkeypatch, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(bundled.minilm_folder(), folder)
    monkeypatch.setenv("HEADLIGHT_MODELS", str(folder))
    app = run()
    assert app.selectbox(key="typed model").value == str(folder)
    assert "because" in tokens(app)
    assert messages(app) == []


def test_a_server_whose_only_model_does_not_open_says_so(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_MODELS", "org/absent")
    assert any("org/absent is not a bundled name, not a folder here and" in message for message in messages(run()))


def test_two_models_of_one_name_and_weights_are_not_mixed_up(tmp_path):
    """The same file of weights, read as heads of another number: once elsewhere, then in the same place."""
    for parent in ("a", "b"):
        shutil.copytree(bundled.minilm_folder(), tmp_path / parent / "final")
    config = tmp_path / "b" / "final" / "config.json"
    seen = []
    for parent, n_heads in (("a", 12), ("b", 6), ("b", 4)):
        if parent == "b":
            config.write_text(
                re.sub(r'"num_attention_heads": \d+', f'"num_attention_heads": {n_heads}', config.read_text())
            )
        app = run(model=str(tmp_path / parent / "final"), layer="0", head="0")
        header, arrays = instrument(app)
        assert header["heads"] == [n_heads] * 6
        seen.append(arrays["weights"].tobytes())
    assert len(set(seen)) == 3
