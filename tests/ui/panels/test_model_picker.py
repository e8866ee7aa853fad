"""Names that visitors paste, models that they opened before, and what a server's list holds for."""

import json
import shutil
from pathlib import Path

import pytest

from models import HeadlightError
from models.checkpoints import bundled
from tests.helpers.inspect_page import messages, run
from tests.helpers.page_elements import address, widget
from tests.helpers.small_models import build
from ui.services.models import request_model
from ui.services.settings import NotAllowed, admit_base, allowed_revision, shows_folders

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
