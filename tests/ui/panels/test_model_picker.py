"""Names that visitors paste, models that they opened before, and what a server's list holds for."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from models import HeadlightError
from models.checkpoints import bundled
from models.checkpoints.fetched import FETCHED
from tests.helpers.inspect_page import messages, opened, run, tokens
from tests.helpers.page_elements import address, chosen, widget
from tests.helpers.small_models import build
from ui.panels.examples import OF_SMOLLM2
from ui.services.models import request_model
from ui.services.settings import NotAllowed, admit_base, allowed_revision, shows_folders
from ui.state.inspect import DEFAULT_TEXT, FIRST_TEXTS

pytestmark = pytest.mark.slow


@pytest.fixture
def own(tmp_path) -> Path:
    return build("bert", tmp_path / "models" / "own-bert")


def recent(app) -> list[str]:
    return [button.label for button in app.button if str(button.key).startswith("recent model")]


def test_models_opened_before_and_the_way_back(own):
    app = run(text="Birds sing at dawn")
    assert recent(app) == []
    widget(app, "typed model").set_value(f" '{own}/' ").run()
    assert messages(app) == []
    assert address(app)["model"] == str(own)
    assert recent(app) == ["minilm"]
    widget(app, "typed model").set_value(bundled.scratch_names()[0]).run()
    assert recent(app) == ["own\\-bert", "minilm"]
    app.button(key="recent model 1").click().run()
    assert "model" not in address(app)
    assert messages(app) == []
    assert "own\\-bert" in recent(app)
    number = recent(app).index("own\\-bert")
    app.button(key=f"recent model {number}").click().run()
    assert address(app)["model"] == str(own)


def test_a_mistyped_path_says_what_is_there_and_keeps_the_name(own):
    app = run(text="Birds sing at dawn")
    widget(app, "typed model").set_value(str(own.parent / "own-brt")).run()
    assert any("'own-brt' is not in it (the closest in it: own-bert)" in message for message in messages(app))


def test_the_address_of_a_hub_page_becomes_its_id():
    app = run(text="Birds sing at dawn")
    widget(app, "typed model").set_value("https://huggingface.co/org/name/tree/v2").run()
    assert any(message.startswith("org/name is not a bundled name") for message in messages(app))


def test_a_list_holds_for_the_folder_however_it_is_written(own, monkeypatch):
    monkeypatch.setenv("HEADLIGHT_MODELS", f"{own}/, org/name@v2")
    monkeypatch.chdir(own.parent)
    for name in (str(own), f"{own}/", "own-bert", f"'{own}'", f"file://{own}", "../models/own-bert"):
        assert allowed_revision(name, "") == ""
    assert allowed_revision("https://huggingface.co/org/name", "") == "v2"
    for name in ("own-brt", str(own.parent), f"{own}/..", "minilm", "\0", "https://example.com/x", f"{own}-2"):
        with pytest.raises(HeadlightError, match=r"^This server opens only these models: "):
            allowed_revision(name, "")
    # The address of a page names another revision than the listed one.
    with pytest.raises(NotAllowed, match=r"^This server opens only one revision of org/name, v2"):
        request_model("https://huggingface.co/org/name/tree/v3", "", "visitor")


def test_a_link_that_leads_out_of_the_list(own, monkeypatch, tmp_path):
    """The list holds for where a name leads: a link to a listed folder is that folder, a listed link may be opened."""
    (tmp_path / "link").symlink_to(own)
    monkeypatch.setenv("HEADLIGHT_MODELS", str(own))
    assert allowed_revision(str(tmp_path / "link"), "") == ""
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(NotAllowed):
        allowed_revision(str(tmp_path / "link"), "")


def test_the_base_of_an_adapter_has_to_be_listed(own, monkeypatch, tmp_path):
    adapter = tmp_path / "tuned"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(own), "r": 8})
    )
    shutil.copy(own / "model.safetensors", adapter / "adapter_model.safetensors")
    monkeypatch.setenv("HEADLIGHT_MODELS", str(adapter))
    job = request_model(str(adapter), "", "visitor")
    job.wait(60)
    with pytest.raises(NotAllowed, match=r"^This server does not open the base of this adapter: the operator has to"):
        job.result()
    monkeypatch.setenv("HEADLIGHT_MODELS", f"{adapter},{own}")
    admit_base(str(own))


def test_a_server_with_a_list_does_not_name_its_folders(own, monkeypatch):
    assert shows_folders()
    monkeypatch.setenv("HEADLIGHT_MODELS", "*")
    assert not shows_folders()
    app = run(text="Birds sing at dawn")
    widget(app, "typed model").set_value(str(own.parent / "own-brt")).run()
    assert not any("own-bert" in message for message in messages(app))


def test_a_gguf_file_that_was_written_again_is_another_model(tmp_path):
    from ui.services.models import _list_files

    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF")
    before = _list_files(str(path))
    path.write_bytes(b"GGUF!")
    assert before
    assert before != _list_files(str(path))


def test_a_fetched_model_opens_with_a_text_that_it_continues_and_the_way_back():
    """Where SmolLM2 is missing, this test fails: `python -m headlight fetch smollm2` fetches it."""
    app = run()
    app.button(key="open smollm2").click().run()
    assert address(app)["model"] == "smollm2"
    choice = chosen(app, "inspect")
    assert (choice.text, choice.generate) == FIRST_TEXTS["smollm2"]
    assert tokens(app)[-5:] == ["les", "to", "the", "beach", "."]
    assert opened(app) == {"layer": "18", "head": "6", "token": "query:13", "partner": "key:6"}
    assert list(app.get("menu_button")[0].proto.options) == [example.name for example in OF_SMOLLM2]
    app.button(key="recent model 0").click().run()
    choice = chosen(app, "inspect")
    assert (choice.model, choice.text, choice.generate) == ("minilm", DEFAULT_TEXT, 0)


def test_a_link_to_a_fetched_model_and_a_text_of_ones_own():
    app = run(model="smollm2", text="The capital of France is", layer="23", head="4")
    assert tokens(app) == ["The", "capital", "of", "France", "is"]
    assert chosen(app, "inspect").generate == 0
    assert opened(app) == {"layer": "23", "head": "4"}


def test_a_fetched_model_that_is_missing_is_mentioned_with_the_remedy(monkeypatch):
    # A new name: the server keeps the models that other tests have opened.
    monkeypatch.setitem(FETCHED, "absent", replace(FETCHED["smollm2"], name="absent", version="0"))
    monkeypatch.setitem(FIRST_TEXTS, "absent", ("A text that breaks", 5))
    app = run(model="absent")
    (said,) = messages(app)
    assert said.startswith("absent (HuggingFaceTB/SmolLM2-135M-Instruct) is not on this machine yet: fetch it once")
    assert "`python -m headlight fetch absent`" in said
    assert not [button for button in app.button if button.key == "open absent"]
    assert any("`python -m headlight fetch absent` fetches it once" in caption.value for caption in app.caption)
    choice = chosen(app, "inspect")
    assert (choice.model, choice.text, choice.generate) == ("minilm", DEFAULT_TEXT, 0)


def test_the_operators_list_holds_for_fetched_models(monkeypatch, tmp_path):
    monkeypatch.setenv("HEADLIGHT_HOME", str(tmp_path))
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm")
    assert not any("smollm2" in caption.value for caption in run().caption)
    monkeypatch.setenv("HEADLIGHT_MODELS", "minilm,smollm2")
    assert any("smollm2" in caption.value for caption in run().caption)
    assert allowed_revision("smollm2", "") == ""
    with pytest.raises(NotAllowed):
        allowed_revision("smollm2", "v1")
