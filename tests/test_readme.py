"""The README's commands and snippets run, and what it names exists."""

import json
import re
import shlex
import subprocess

import numpy as np
import pytest
import torch

from headlight.command import main as headlight
from models import Attention, AttentionTrace, load_model
from models.checkpoints.bundled import scratch_folder, scratch_names
from models.checkpoints.verify import TOLERANCE
from tests.helpers.forked import run_python
from tests.helpers.paths import ROOT
from tests.zoo import table

README = (ROOT / "README.md").read_text()
PROSE = " ".join(README.split())
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)).splitlines()


@pytest.mark.slow
def test_the_notebook_snippets(tmp_path):
    snippets = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(snippets) == 16
    done = run_python("-c", "\n".join(snippets), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "('it', 1)" in done.stdout
    assert "252 tokens: about" in done.stdout
    assert "\n[(0, 2)]\n" in done.stdout
    assert re.search(r"\n5 +11 +0\.144458\n", done.stdout)
    assert "'value-weighted': 0.8" in done.stdout
    assert "Head 5.11 is switched off" in done.stdout
    assert "\n['lower case', 'resting place']\n" in done.stdout
    assert "layer 6 of 6" in done.stdout
    assert done.stdout.count("(12, 32, 32)") == 6
    assert "(64, 130)\n1 8 (10, 10)\n" in done.stdout
    assert done.stdout.endswith("['[CLS]', 'cat', '[SEP]']\nmodel in memory ('encoder',)\n[1. 1. 1. 1.]\n")
    words, sink, notebook = done.stdout.split("\n", 2)
    assert words == "(14, 14)"
    assert re.fullmatch(r"0\.85\d+ (1\.0|0\.9)\d*", sink)
    assert notebook.startswith("6 12 ['[CLS]', 'the', 'cat', 'sat',")
    assert "0.49" in done.stdout
    assert re.search(r"\n1 +3 +1 +0\.49\d* +0\.13\d* +3\.69\d*\n", done.stdout)
    assert all(
        (tmp_path / f"{name}.svg").read_text().startswith("<?xml")
        for name in ("head", "mean", "weak", "rollout", "norms", "gradient")
    )
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_the_first_screen_shows_the_four_ways_in_and_the_installation():
    screen = README[: README.index("\n`headlight` opens the page")]
    ways = re.findall(r"# (\d)\. (a sentence|your own model|torch's layers|existing numbers)", screen)
    assert [number for number, _ in ways] == ["1", "2", "3", "4"]
    assert len(screen.splitlines()) < 60
    for command in ("pip install .", "pipx run --spec . headlight", "uvx --from . headlight", "make run"):
        assert f"\n{command} " in screen + " " or f"\n{command}\n" in screen, command


@pytest.mark.slow
@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith("headlight export")])
def test_the_command_line(command, tmp_path, monkeypatch):
    """In this process: tests/viz/cli/test_main.py has one of its own, and torch takes seconds to load."""
    arguments = shlex.split(command)
    monkeypatch.chdir(tmp_path)
    if "given.npz" in arguments:  # the snippet before the command writes it
        weights = np.random.default_rng(0).dirichlet(np.ones(4), size=(2, 3, 4))
        AttentionTrace.of(Attention.from_weights(weights, list("abcd"))).save("given.npz")
    assert headlight(arguments[1:]) == 0
    assert (tmp_path / arguments[-1]).stat().st_size > 1000
    if arguments[-1].endswith(".csv"):
        assert (tmp_path / (arguments[-1] + ".json")).exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", [line for line in SHELL if line.startswith("headlight train")])
def test_the_trainer(command, tmp_path, monkeypatch):
    arguments = shlex.split(command)
    monkeypatch.chdir(tmp_path)
    assert headlight(arguments[1:]) == 0
    assert load_model(str(tmp_path / arguments[-1])).card.task == arguments[2]
    # Only one machine makes the same weights to the bit.
    right = json.loads((tmp_path / arguments[-1] / "training.json").read_text())["unseen_samples_right"]
    (told,) = re.findall(r"gets about (\d+)% of unseen samples right", PROSE)
    assert abs(100 * right - int(told)) < 3


def test_what_is_told_of_the_whole_training():
    record = json.loads((scratch_folder("scratch:previous") / "training.json").read_text())
    (told,) = re.findall(r"half a minute, ([\d,]+) steps", PROSE)
    assert record["steps_taken"] == int(told.replace(",", ""))
    short = re.search(r"headlight train previous --steps (\d+)", README)
    assert short
    assert record["steps_taken"] == 4 * int(short[1])


def test_no_line_is_too_long():
    """But tables and links, which cannot be wrapped."""
    for number, line in enumerate(README.splitlines(), 1):
        assert len(line) <= 120 or line.startswith(("|", "![")), number


def test_what_is_shipped_is_told():
    """Every model trained here has a row, with the accuracy that its own record has."""
    for name in scratch_names():
        task = name.removeprefix("scratch:")
        right = json.loads((scratch_folder(name) / "training.json").read_text())["unseen_samples_right"]
        row = re.search(rf"^\| `{task}` \|.*$", README, re.MULTILINE)
        assert row, task
        assert f"| {100 * right:.3g}%" in row[0], row[0]


def test_the_make_targets_exist():
    """.ci/run calls `make test`, which runs this; tests/e2e starts the app as `make run` does."""
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z]+)", README))
    assert named >= {"run", "test", "check", "bench"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    done = subprocess.run(["make", "-n", "run", "PORT=8600"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "streamlit run app.py --server.port 8600" in done.stdout


def test_what_it_points_to_exists():
    paths = re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r'<img src="([^"]+)"', README)
    for path in paths:
        assert (ROOT / path).exists(), path
        assert (ROOT / path).suffix != ".png" or (ROOT / path).stat().st_size < 150_000, path
    for room in re.findall(r"^(\w+)/ ", README, re.MULTILINE):
        assert (ROOT / room).is_dir(), room


def test_every_setting_of_our_own_is_documented():
    code = "".join(
        path.read_text() for room in ("ui", "viz", "models", "analysis") for path in (ROOT / room).rglob("*.py")
    )
    for name in set(re.findall(r"HEADLIGHT_[A-Z_]+", code)):
        assert f"`{name}`" in README, name


def test_how_near_weights_are_is_what_the_page_of_families_measured():
    (n_traced, n_replayed, bound) = re.findall(
        r"(\d+) families are traced, (\d+) of them replayed within (\S+)", PROSE
    )[0]
    (in_a_trace,) = re.findall(r"within (\S+) in those families", PROSE)
    rows = table.read("Traced").values()
    assert int(n_traced) == len(rows)
    assert int(n_replayed) == sum(cells[3] == "replayed" for cells in rows)
    assert float(bound) == TOLERANCE[torch.float32] >= max(float(cells[5]) for cells in rows)
    assert float(in_a_trace) == max(float(cells[6] or 0) for cells in rows)
