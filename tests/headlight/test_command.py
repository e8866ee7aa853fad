"""The command `headlight`: what it opens, where it serves, and one sentence for what cannot be done."""

import socket
from pathlib import Path
from typing import Any

import pytest

from headlight import command, serve
from headlight.command import main


class Served:
    """What Streamlit would have been started with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queries: list[str] = []
        self.options: list[str] = []
        monkeypatch.delenv("HEADLIGHT_TRACE", raising=False)
        monkeypatch.setattr("streamlit.web.cli.main", self._run)
        monkeypatch.setattr(serve, "_announce", lambda url, query, opens_browser: self.queries.append(url + query))

    def _run(self, arguments: list[str], **_options: Any) -> None:
        self.options = arguments


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    return Served(monkeypatch)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        (None, ""),
        ("minilm", "?model=minilm"),
        ("smollm2", "?model=smollm2"),
        ("scratch:brackets", "?model=scratch%3Abrackets"),
        ("org/name", "?model=org/name"),
        ("https://huggingface.co/org/name", "?model=org/name"),
        ("./export", "?model={folder}/export"),
        ("a%20model & more", "?model={folder}/a%2520model%20%26%20more"),
        ("model.gguf", "?model={folder}/model.gguf"),
    ],
)
def test_a_model_is_in_the_link(name: str | None, query: str, served: Served, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("export", "a%20model & more"):
        (tmp_path / folder).mkdir()
    (tmp_path / "model.gguf").touch()
    assert main([name, "--no-browser"] if name else ["--no-browser"]) == 0
    (url,) = served.queries
    assert url.split("?")[1:] == ([query.format(folder=tmp_path).removeprefix("?")] if query else [])
    assert "--server.address=localhost" in served.options
    assert served.options[:2] == ["run", str(serve.APP)]
    assert serve.APP.name == "app.py"
    assert serve.APP.exists()


@pytest.mark.parametrize("name", ["trace.npz", "TABLE.CSV", "weights.safetensors"])
def test_a_trace_is_a_setting_of_the_server(name: str, served: Served, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    environment: dict[str, str] = {}
    monkeypatch.setattr(serve.os, "environ", environment)
    assert main([name]) == 0
    assert environment["HEADLIGHT_TRACE"] == str(tmp_path / name)
    assert "?" not in served.queries[0]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["exprot"], "There is no command, model, folder or file 'exprot': choose minilm,"),
        (["trace.npz"], "There is no file trace.npz: give the path of a saved trace."),
        (["./nothing"], "No model is called './nothing'"),
        (["notes.txt"], "No model is called 'notes.txt': that is a file"),
        (["--port", "99999"], "A port is a number from 1 to 65535, not '99999'; see python -m headlight --help."),
        (["--prot", "1"], "Unrecognized arguments: --prot; see python -m headlight --help."),
        (["--port", "8600", "export"], "The command comes first: python -m headlight export ..."),
        (["--address", "no.such.address.invalid"], "'no.such.address.invalid' is no address of this machine"),
        (["export"], "Name a figure: heatmap,"),
        (["export", "heatmap"], "must be given; see python -m headlight export heatmap --help."),
        (["train", "nothing", "--out", "x"], "nothing"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments, sentence, served, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").touch()
    try:
        code = main(arguments)
    except SystemExit as error:
        code = int(str(error.code))
    told = capsys.readouterr().err
    assert code == 2
    assert told.startswith("headlight: ")
    assert sentence in told
    assert told.count("\n") == 1
    assert served.queries == []


def test_a_port_in_use_is_left_alone(served: Served, capsys, monkeypatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["--address", "127.0.0.1", "--port", str(port)]) == 2
        assert f"Port {port} is in use or not allowed: choose another one with --port." in capsys.readouterr().err
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        first = other.getsockname()[1]
        monkeypatch.setattr(serve, "FIRST_PORT", first)
        assert main(["--address", "127.0.0.1"]) == 0
    (option,) = [each for each in served.options if each.startswith("--server.port=")]
    assert int(option.split("=")[1]) > first


def test_help_and_version_name_every_command(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(f"python -m headlight {name} " in told for name in command.COMMANDS)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("Headlight ")
