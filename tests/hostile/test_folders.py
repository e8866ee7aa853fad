"""Nothing of a folder is read before it is known to be a plain file inside it: no pipe waits, no link leads out."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from models import HeadlightError, errors, load_model
from models.checkpoints import folders
from tests.helpers.corrupt import WEIGHTS, configure, refused

pytestmark = pytest.mark.slow

READ = ("config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json")
MAYBE = (f"{WEIGHTS}.index.json", "preprocessor_config.json", "special_tokens_map.json", "vocab.txt", "spiece.model")


def in_time(name: Path) -> str:
    """What loading is refused with; a test that would hang fails instead."""
    said: list[str] = []

    def load() -> None:
        try:
            load_model(str(name))
        except HeadlightError as error:
            said.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(10)
    assert said, "no answer"
    return said[0]


@pytest.mark.parametrize("name", [*READ, *MAYBE, "modules.json", "adapter_config.json", "chat_template.jinja"])
def test_a_named_pipe_is_not_waited_for(name, folder):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert in_time(folder) == (
        f"UnsafeWeights: {name} of spoilt is a named pipe, expected a plain file: save or fetch the model again."
    )


def test_a_socket_is_refused(folder, monkeypatch):
    monkeypatch.chdir(folder)  # the names of sockets are short
    (folder / "config.json").unlink()
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("config.json")
        refused(errors.UnsafeWeights, "config.json of spoilt is a socket, expected a plain file: save or", folder)


def outside(name: str) -> str:
    return f"{name} of spoilt points outside the model's folder: copy the file into the folder."


@pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero", "/nowhere/at/all", "../../away"])
@pytest.mark.parametrize("name", [*READ, *MAYBE, "modules.json", "adapter_config.json"])
def test_a_link_out_of_the_folder_is_never_followed(name, target, folder):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    refused(errors.UnsafeWeights, outside(name), folder)


def test_links_in_a_circle(folder):
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("config.json")
    refused(errors.UnsafeWeights, outside("config.json"), folder)


def test_templates_in_a_folder_of_their_own(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "one.jinja").write_text("x")
    inner = folder / "additional_chat_templates"
    inner.symlink_to(tmp_path / "elsewhere")
    refused(errors.UnsafeWeights, outside("additional_chat_templates"), folder)
    inner.unlink()
    inner.mkdir()
    (inner / "one.jinja").symlink_to(tmp_path / "elsewhere" / "one.jinja")
    refused(errors.UnsafeWeights, outside("one.jinja"), folder)


def test_the_transformer_within_a_folder_is_looked_at_too(folder):
    inner = folder / "0_Transformer"
    inner.mkdir()
    for path in [path for path in folder.iterdir() if path != inner]:
        path.rename(inner / path.name)
    (folder / "modules.json").write_text(json.dumps([{"path": inner.name, "type": "x.Transformer"}]))
    assert load_model(str(folder)).card.kinds == ("encoder",)
    (inner / "tokenizer.json").unlink()
    os.mkfifo(inner / "tokenizer.json")
    assert "tokenizer.json of spoilt is a named pipe" in in_time(folder)


def test_a_link_within_the_folder_is_followed(folder):
    (folder / "tokenizer.json").rename(folder / "words.json")
    (folder / "tokenizer.json").symlink_to("words.json")
    assert load_model(str(folder)).card.notices == ()


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("config.json", "10.0 MB"),
        ("preprocessor_config.json", "10.0 MB"),
        ("tokenizer_config.json", "10.0 MB"),
        ("special_tokens_map.json", "10.0 MB"),
        ("added_tokens.json", "10.0 MB"),
        ("chat_template.jinja", "10.0 MB"),
        (f"{WEIGHTS}.index.json", "40.0 MB"),
        ("tokenizer.json", "60.0 MB"),
        ("vocab.txt", "60.0 MB"),
        ("merges.txt", "60.0 MB"),
        ("spiece.model", "60.0 MB"),
        ("entity_vocab.json", "60.0 MB"),
    ],
)
def test_a_file_that_is_far_too_large_is_not_read(name, most, folder):
    with (folder / name).open("ab") as file:
        file.truncate(3 * 10**12)
    refused(errors.BrokenModel, f"{name} of spoilt has 3.0 TB, expected {most} at most: save or fetch the", folder)


@pytest.mark.parametrize("name", READ[:3])
def test_a_folder_where_a_file_should_be(name, folder):
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(HeadlightError, match=r"^[^\n]*spoilt[^\n]*: [^\n]*\.$") as caught:
        load_model(str(folder))
    assert str(folder) not in str(caught.value)


def test_shards_in_a_folder_below(folder):
    (folder / "below").mkdir()
    os.mkfifo(folder / "below" / "one.safetensors")
    (folder / WEIGHTS).unlink()
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": "below/one.safetensors"}}))
    assert "one.safetensors of spoilt is a named pipe" in in_time(folder)


def test_the_tokenizer_config_may_not_name_files_elsewhere(folder, tmp_path):
    """transformers takes the files of the folder, whatever the settings say."""
    path = folder / "tokenizer_config.json"
    os.mkfifo(tmp_path / "pipe")
    elsewhere = {"tokenizer_file": str(tmp_path / "pipe"), "vocab_file": str(tmp_path / "pipe")}
    path.write_text(json.dumps(json.loads(path.read_text()) | elsewhere))
    configure(folder, _name_or_path=str(tmp_path), tokenizer_file=str(tmp_path / "pipe"))
    assert load_model(str(folder)).trace("the cat").kinds == ("encoder",)


def test_a_folder_of_thousands_of_files_is_not_looked_through(folder, monkeypatch):
    monkeypatch.setattr("models.checkpoints.folders._MAX_FILES", 20)
    for number in range(20):
        (folder / f"{number}.log").touch()
    refused(
        errors.BrokenModel,
        "The folder of spoilt has more than 20 files, expected only those of a model: move the model into a "
        "separate folder.",
        folder,
    )
    (folder / "config.json").unlink()
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}")
    refused(errors.UnknownModel, "spoilt has no config.json", folder)


def test_a_folder_that_is_no_model_may_hold_anything(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    refused(errors.UnknownModel, f"{tmp_path.name} has no config.json: give a folder made by save_", tmp_path)


def test_hidden_files_are_not_looked_at(folder):
    os.mkfifo(folder / ".lock")
    shutil.copy("/etc/hostname", folder / ".name")
    folders.refuse_unsafe_files(folder, "spoilt")
