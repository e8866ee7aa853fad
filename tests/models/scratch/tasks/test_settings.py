"""Settings that make no network, or an absurd one: one sentence each, and the same from the command line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from models.errors import BadSettings
from models.scratch.tasks import TASKS, Settings
from models.scratch.training import change_settings
from models.train import main
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.slow

NAN, INFINITE = float("nan"), float("inf")
NO_DIVISOR = "5 heads do not divide a width of 64: choose 1, 2, 4, 8, 16 or 32 heads, or a multiple of 5 as width."
BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"n_heads": 5},
        "5 heads do not divide a width of 64: choose 1, 2, 4, 8, 16 or 32 heads, or a multiple of 5 as width.",
    ),
    (
        {"d_model": 7, "n_heads": 2},
        "2 heads do not divide a width of 7: choose 1 or 7 heads, or a multiple of 2 as width.",
    ),
    ({"d_model": 67}, "4 heads do not divide a width of 67: choose another width."),
    ({"n_layers": 0}, "Choose layers from 1 to 12, not 0."),
    ({"n_layers": -3}, "Choose layers from 1 to 12, not -3."),
    ({"n_layers": 2.0}, "Choose layers from 1 to 12, not 2.0."),
    ({"n_layers": "2"}, "Choose layers from 1 to 12, not '2'."),
    ({"n_layers": True}, "Choose layers from 1 to 12, not True."),
    ({"n_heads": 33}, "Choose heads from 1 to 32, not 33."),
    ({"d_model": 513}, "Choose a width from 1 to 512, not 513."),
    ({"d_model": 10**30}, "Choose a width from 1 to 512, not 1000000000000000000000000000000."),
    ({"d_feedforward": 0}, "Choose a feed-forward width from 1 to 2,048, not 0."),
    ({"steps": 1_000_001}, "Choose steps from 1 to 1,000,000, not 1000001."),
    ({"batch_size": 4097}, "Choose samples in a batch from 1 to 4,096, not 4097."),
    ({"positions": "relative"}, "Choose positions from sinusoidal, learned, rotary, not 'relative'."),
    ({"positions": "x" * 5000}, f"Choose positions from sinusoidal, learned, rotary, not '{'x' * 39}."),
    ({"positions": ["rotary"]}, "Choose positions from sinusoidal, learned, rotary, not ['rotary']."),
    (
        {"positions": "rotary", "d_model": 15, "n_heads": 3},
        "Rotary positions rotate pairs of dimensions, and a head has 5, an odd number: choose fewer heads or an even "
        "width for each head.",
    ),
    ({"dropout": 1.0}, "Choose a dropout from 0 to below 1, not 1.0."),
    ({"dropout": NAN}, "Choose a dropout from 0 to below 1, not nan."),
    ({"dropout": "half"}, "Choose a dropout from 0 to below 1, not 'half'."),
    ({"learning_rate": NAN}, "Choose a learning rate above 0 and up to 1, not nan."),
    ({"learning_rate": INFINITE}, "Choose a learning rate above 0 and up to 1, not inf."),
    ({"learning_rate": 0.0}, "Choose a learning rate above 0 and up to 1, not 0.0."),
    ({"learning_rate": []}, "Choose a learning rate above 0 and up to 1, not []."),
    ({"norm_first": "no"}, "Choose True or False for norm_first, not 'no'."),
    ({"seed": -1}, "Choose a seed from 0 to 4,294,967,295, not -1."),
    ({"seed": 2**32}, "Choose a seed from 0 to 4,294,967,295, not 4294967296."),
    ({"seed": 1.5}, "Choose a seed from 0 to 4,294,967,295, not 1.5."),
]


@pytest.mark.parametrize(("values", "sentence"), BAD, ids=lambda one: str(one)[:40] if isinstance(one, dict) else "")
def test_settings_that_are_refused(values, sentence):
    with pytest.raises(BadSettings) as caught:
        Settings(**values)
    assert str(caught.value) == sentence
    with pytest.raises(BadSettings) as caught:
        change_settings(TASKS["previous"].settings, **values)
    assert str(caught.value) == sentence


def test_settings_at_their_ends_are_taken():
    Settings(n_layers=1, n_heads=1, d_model=1, d_feedforward=1, steps=1, batch_size=1, learning_rate=1, seed=2**32 - 1)
    Settings(n_layers=12, n_heads=32, d_model=512, d_feedforward=2048, steps=10**6, batch_size=4096, dropout=0)


def test_changed_takes_what_is_given():
    settings = TASKS["digits"].settings
    assert change_settings(settings, steps=None, seed=7, dropout=None) == Settings(
        n_layers=3, steps=2500, dropout=0.1, seed=7
    )
    with pytest.raises(BadSettings, match=r"^There is no setting depth, wide\.$"):
        change_settings(settings, wide=3, depth=1)


FROM_THE_COMMAND = {
    "--layers 0": "Choose layers from 1 to 12, not 0.",
    "--heads 5": NO_DIVISOR,
    "--width 100000": "Choose a width from 1 to 512, not 100000.",
    "--feedforward -1": "Choose a feed-forward width from 1 to 2,048, not -1.",
    "--steps 0": "Choose steps from 1 to 1,000,000, not 0.",
    "--batch-size 0": "Choose samples in a batch from 1 to 4,096, not 0.",
    "--learning-rate nan": "Choose a learning rate above 0 and up to 1, not nan.",
    "--dropout inf": "Choose a dropout from 0 to below 1, not inf.",
    "--seed -1": "Choose a seed from 0 to 4,294,967,295, not -1.",
    "--positions none": "Choose positions from sinusoidal, learned, rotary, not 'none'.",
}


@pytest.mark.parametrize("options", FROM_THE_COMMAND)
def test_the_command_refuses_before_it_writes(options, tmp_path, capsys):
    out = tmp_path / "inside" / "model"
    assert main(["previous", "--out", str(out), *options.split()]) == 2
    assert capsys.readouterr() == ("", f"headlight: {FROM_THE_COMMAND[options]}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", ["--seed one", "--learning-rate fast", "--steps 1e3", "--wide 3"])
def test_what_is_no_number_is_refused_by_the_parser(options, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["previous", "--out", str(tmp_path / "model"), *options.split()])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert options.split()[-1] in err
    assert err.startswith("headlight: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_no_such_task_and_no_such_place(tmp_path, capsys):
    assert main(["nothing", "--out", str(tmp_path / "model")]) == 2
    assert capsys.readouterr().err == f"headlight: There is no task 'nothing': choose one of {', '.join(TASKS)}.\n"
    occupied = tmp_path / "file"
    occupied.write_text("mine")
    for place, why in ((occupied, "File exists"), (occupied / "model", "Not a directory")):
        assert main(["previous", "--steps", "2", "--out", str(place)]) == 2
        error = capsys.readouterr().err
        assert error == f"headlight: The folder {place} cannot be made ({why}): choose another folder to train in.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert occupied.read_text() == "mine"


def test_a_refusal_of_the_real_command(tmp_path):
    command = [sys.executable, "-m", "models.train", "sorting", "--heads", "3", "--out", str(tmp_path / "model")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    sentence = "3 heads do not divide a width of 64: choose 1, 2, 4, 8, 16 or 32 heads, or a multiple of 3 as width.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"headlight: {sentence}")
    assert not list(tmp_path.iterdir())
