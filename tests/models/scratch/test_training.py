"""Trainings: the same weights to the bit from one seed, killed or not, side by side or alone; refused where damaged."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import analysis.recording
import models.train
from analysis.recording import Recorder, Recording
from models import load_model
from models.errors import BadTraining
from models.scratch.tasks import TASKS, Settings
from models.scratch.training import CHECKPOINT, Training, change_settings, learning_rate, start_or_resume
from models.train import main
from tests.helpers.forked import run_python

pytestmark = pytest.mark.slow

# Seconds in all: 20 steps of a network of 13 dimensions. Dropout makes every step draw from torch's generator.
SMALL = Settings(
    n_layers=1, n_heads=2, d_model=14, d_feedforward=11, steps=20, batch_size=7, dropout=0.1, seed=3, learning_rate=5e-3
)
AS_OPTIONS = (
    "--layers 1 --heads 2 --width 14 --feedforward 11 --steps 20 --batch-size 7 --dropout 0.1 --learning-rate 5e-3 "
    "--seed 3"
)
TASK = TASKS["previous"]


def trained(settings: Settings = SMALL, steps: int | None = None, task: str = "previous") -> Training:
    training = Training(TASKS[task], settings)
    for _ in range(settings.steps if steps is None else steps):
        training.advance()
    return training


def same(one: Training, other: Training) -> bool:
    weights, others = one.network.state_dict(), other.network.state_dict()
    assert weights.keys() == others.keys()
    return all(torch.equal(weights[name], others[name]) for name in weights)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the same, and not the same ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_one_seed_one_result(task):
    steps = 2 if task == "digits" else 3
    settings = change_settings(SMALL, steps=steps)
    one = trained(settings, task=task)
    torch.rand(5)  # what others draw meanwhile does not count
    assert same(one, trained(settings, task=task))
    assert not same(one, trained(change_settings(settings, seed=4), task=task))


def test_the_generators_of_others_are_left_as_they_were():
    torch.manual_seed(71)
    np.random.seed(71)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    training = trained(steps=3)
    training.accuracy(50)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)


def test_trainings_in_threads_do_not_disturb_each_other():
    seeds = (3, 4, 5, 6)
    alone = [trained(change_settings(SMALL, seed=seed)) for seed in seeds]
    state = torch.get_rng_state()
    with ThreadPoolExecutor(len(seeds)) as pool:
        together = list(pool.map(lambda seed: trained(change_settings(SMALL, seed=seed)), seeds))
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))
    assert torch.equal(torch.get_rng_state(), state)


def test_looking_leaves_the_training_as_it_is():
    """A recorder's frames, accuracy and a kept checkpoint in between change no weight."""
    alone, watched = trained(), Training(TASK, SMALL)
    recorder = Recorder(watched)
    while not watched.finished:
        recorder.advance()
        if watched.step % 3 == 0:
            recorder.frame()
            watched.accuracy(20)
        assert watched.network.training
    assert same(alone, watched)


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(step / 1000) for step in range(1001)]
    assert 0 < rates[0] < 0.02
    assert np.argmax(rates) in (98, 99, 100)
    assert 0.97 < max(rates) <= 1
    assert np.all(np.diff(rates[:98]) > 0)
    assert np.all(np.diff(rates[101:]) < 0)
    assert rates[-1] == 0


def test_a_training_learns_the_task():
    """From chance to the right place in 300 steps. Measured: loss 3.6 to 0.02, truth score 0.08 to 1.00 in 4 s."""
    settings = change_settings(
        SMALL, n_heads=1, d_model=32, d_feedforward=32, batch_size=32, steps=300, dropout=0.0, seed=0
    )
    training = Training(TASK, change_settings(settings, learning_rate=1e-2))
    recorder = Recorder(training)
    first = recorder.frame()
    losses = [training.advance() for _ in range(settings.steps)]
    last = recorder.frame()
    assert first.accuracy == 0
    assert first.scores.max() < 0.2
    assert last.scores.max() > 0.8
    assert last.accuracy > 0.9
    assert np.mean(losses[-10:]) < 0.1 < 3 < np.mean(losses[:10])


# --- stopped and resumed ----------------------------------------------------------------------------------------------


def test_resumed_is_as_never_stopped(tmp_path):
    """With the optimiser's moments and the step: without either, the next step would differ."""
    training = trained(steps=7)
    training.save_checkpoint(tmp_path)
    resumed = Training.resume(tmp_path)
    assert (resumed.step, resumed.settings, resumed.task) == (7, SMALL, TASK)
    assert same(training, resumed)
    for _ in range(SMALL.steps - 7):
        assert training.advance() == resumed.advance()
    assert same(training, resumed)
    assert same(training, trained())


def test_resumed_before_its_first_step(tmp_path):
    Training(TASK, SMALL).save_checkpoint(tmp_path)
    resumed = start_or_resume(TASK, SMALL, tmp_path)
    while not resumed.finished:
        resumed.advance()
    assert same(resumed, trained())


DIES_IN_STEP_13 = """
import os, signal, sys
import {command} as command
from models.scratch.training import Training

def advance(training, real=Training.advance):
    if training.step == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(training)

Training.advance, command.CHECKPOINT_SECONDS = advance, -1.0
command.main(sys.argv[1:])
"""


@pytest.fixture
def _signals() -> Iterator[None]:
    """The recording command hears of signals in its own way; here they are pytest's again."""
    before = [(one, signal.getsignal(one)) for one in (signal.SIGTERM, signal.SIGINT)]
    yield
    for one, handler in before:
        signal.signal(one, handler)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("command", [models.train, analysis.recording], ids=lambda module: module.__name__)
def test_killed_and_resumed_ends_with_the_same_file(command, tmp_path, capsys):
    """A process of its own, killed without warning; recorded or not, going on gives what was never stopped."""
    every = ["--every", "5"] if command is analysis.recording else []

    def options(folder: str) -> list[str]:
        return ["previous", *AS_OPTIONS.split(), "--out", str(tmp_path / folder), *every]

    code = DIES_IN_STEP_13.format(command=command.__name__)
    killed = run_python("-c", code, *options("killed"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    checkpoint = tmp_path / "killed" / CHECKPOINT
    with safe_open(checkpoint, framework="pt") as file:
        assert file.metadata()["step"] == ("10" if every else "13")
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    assert command.main(options("killed")) == 0
    if not every:
        assert "Resuming at step 13." in capsys.readouterr().err
    assert command.main(options("whole")) == 0
    trained().save(tmp_path / "here")
    for name in ("model.safetensors", "config.json", "tokenizer.json", "training.json"):
        assert sha256(tmp_path / "killed" / name) == sha256(tmp_path / "here" / name), name
        assert sha256(tmp_path / "whole" / name) == sha256(tmp_path / "here" / name), name
    if every:
        one, other = (vars(Recording.load(tmp_path / folder / "recording.npz")) for folder in ("killed", "whole"))
        assert one["step"].tolist() == [0, 5, 10, 15, 20]
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert not checkpoint.exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    "values", [{"seed": 4}, {"steps": 21}, {"learning_rate": 1e-3}, {"n_heads": 1}, {"dropout": 0.2}]
)
def test_other_settings_are_not_resumed(values, tmp_path):
    trained(steps=2).save_checkpoint(tmp_path)
    with pytest.raises(BadTraining) as caught:
        start_or_resume(TASK, change_settings(SMALL, **values), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} contains an unfinished training of 'previous' with other settings: resume it with the same "
        "settings, or choose another folder."
    )
    with pytest.raises(BadTraining, match=r"contains an unfinished training of 'previous'"):
        start_or_resume(TASKS["sorting"], SMALL, tmp_path)
    assert start_or_resume(TASK, SMALL, tmp_path).step == 2


# --- damaged ----------------------------------------------------------------------------------------------------------


def rewritten(
    path: Path, *, about: dict[str, str] | None = None, tensors: dict[str, Tensor | None] | None = None
) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), **(about or {})}
    changed_ones = {**load_file(path), **(tensors or {})}
    save_file({name: tensor for name, tensor in changed_ones.items() if tensor is not None}, path, metadata=metadata)


def settings_with(**values: Any) -> dict[str, str]:
    return {"settings": json.dumps({**asdict(SMALL), **values})}


WEIGHT, MOMENT = "network.output.weight", "optimiser.0.exp_avg"
HOSTILE: dict[str, Any] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "a pickle": lambda path: torch.save({"step": 3}, path),
    "a header of a billion bytes": lambda path: path.write_bytes((10**9).to_bytes(8, "little") + b"{}"),
    "no settings": lambda path: save_file({WEIGHT: torch.zeros(3)}, path),
    "settings that are no JSON": lambda path: rewritten(path, about={"settings": "{"}),
    "settings that are a list": lambda path: rewritten(path, about={"settings": "[]"}),
    "settings nested deep": lambda path: rewritten(path, about={"settings": "[" * 100_000}),
    "an unknown setting": lambda path: rewritten(path, about=settings_with(trust_remote_code=True)),
    "a bad setting": lambda path: rewritten(path, about=settings_with(n_layers=10**9)),
    "a setting of another type": lambda path: rewritten(path, about=settings_with(dropout="half")),
    "sizes of another network": lambda path: rewritten(path, about=settings_with(d_model=16)),
    "a step that is no number": lambda path: rewritten(path, about={"step": "many"}),
    "a step before the first": lambda path: rewritten(path, about={"step": "-5"}),
    "a step after the last": lambda path: rewritten(path, about={"step": "21"}),
    "a weight missing": lambda path: rewritten(path, tensors={WEIGHT: None}),
    "a weight too many": lambda path: rewritten(path, tensors={"network.extra": torch.zeros(3)}),
    "a weight of another shape": lambda path: rewritten(path, tensors={WEIGHT: torch.zeros(3)}),
    "a moment missing": lambda path: rewritten(path, tensors={MOMENT: None}),
    "a moment of another shape": lambda path: rewritten(path, tensors={MOMENT: torch.zeros(3)}),
}


@pytest.mark.parametrize("damage", HOSTILE)
def test_a_damaged_checkpoint_is_refused(damage, tmp_path, capsys):
    trained(steps=2).save_checkpoint(tmp_path)
    path = tmp_path / CHECKPOINT
    HOSTILE[damage](path)
    before = path.read_bytes()
    with pytest.raises(BadTraining) as caught:
        start_or_resume(TASK, SMALL, tmp_path)
    assert str(caught.value) == f"{path} is not a checkpoint of this version: delete it and train again."
    assert main(["previous", "--out", str(tmp_path), "--steps", "20"]) == 2
    assert capsys.readouterr().err == f"headlight: {caught.value}\n"
    assert path.read_bytes() == before


def test_a_checkpoint_of_no_task(tmp_path):
    trained(steps=2).save_checkpoint(tmp_path)
    rewritten(tmp_path / CHECKPOINT, about={"task": "nothing"})
    with pytest.raises(BadTraining, match=r"is not a checkpoint of this version: delete it and train again\.$"):
        Training.resume(tmp_path)


def test_nothing_to_go_on_with(tmp_path):
    with pytest.raises(BadTraining) as caught:
        Training.resume(tmp_path)
    assert str(caught.value) == f"{tmp_path} contains no training to resume: start one first."


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    trained(steps=2).save_checkpoint(tmp_path)
    before = sha256(tmp_path / CHECKPOINT)

    def dies(_: Any, path: str, **options: Any) -> None:
        del options
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("models.scratch.training.save_file", dies)
    with pytest.raises(OSError, match="no space"):
        trained(steps=3).save_checkpoint(tmp_path)
    assert sha256(tmp_path / CHECKPOINT) == before


@pytest.mark.parametrize(("what", "damage"), [("loss", torch.nan), ("gradient", torch.inf)])
def test_a_loss_that_is_no_number_is_refused(what, damage):
    """The same sentence whether the loss shows it or only its gradient, and no weight is touched by it."""
    training = trained(steps=2)
    weight = training.network.output.weight
    if what == "loss":
        weight.data[0, 0] = damage
    else:
        weight.register_hook(lambda gradient: gradient * damage)
    before = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    sentence = rf"^The {what} became (nan|inf) at step 2: choose a learning rate below 0\.005\.$"
    with pytest.raises(BadTraining, match=sentence):
        training.advance()
    assert training.step == 2
    for name, now in training.network.state_dict().items():
        torch.testing.assert_close(now, before[name], rtol=0, atol=0, equal_nan=True)


# --- finished ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["previous", "recall", "dates", "series"])
def test_what_was_trained_opens_like_any_model(task, tmp_path):
    settings = change_settings(
        SMALL, steps=2, n_layers=2, positions="rotary" if task == "recall" else "learned", d_model=20
    )
    training = trained(settings, task=task)
    record = training.save(tmp_path / task)
    model = load_model(str(tmp_path / task))
    card = model.card
    assert card.capture == "replayed"
    assert card.proof <= 2e-6
    assert (card.n_layers, card.n_heads, card.task) == (2, 2, task)
    text = training.task.examples[0]
    att = model.trace(text)[training.task.kind]
    for layer in range(2):
        np.testing.assert_allclose(att.layer(layer).sum(-1), 1, rtol=1e-5)
    if training.task.kind != "cross":  # the map of the network's own arithmetic
        with training.evaluating() as network:
            expected = training.task.attention(network, training.task.watched_batch(text))[:, 0].numpy()
        found = np.stack([att.layer(layer) for layer in range(2)])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert model.module.state_dict().keys() == training.network.state_dict().keys()
    written = json.loads((tmp_path / task / "training.json").read_text(encoding="utf-8"))
    assert written == record
    assert written == {
        "task": task,
        "settings": asdict(settings),
        "steps_taken": 2,
        "unseen_samples_right": training.accuracy(),
        "torch": torch.__version__,
    }


def test_the_accuracy_counts_texts_of_which_every_answer_is_right():
    """By hand: what the network says at each place, compared in plain Python."""
    settings = change_settings(
        SMALL, n_heads=1, d_model=32, d_feedforward=32, batch_size=32, steps=110, learning_rate=1e-2
    )
    training = trained(change_settings(settings, dropout=0.0))
    samples = TASK.samples(Random("unseen"), 200, held_out=True)
    with training.evaluating() as network:
        right = sum(TASK.answer(network, text) == solution.answers for text, solution in samples)
    assert 0 < right < 200, "all or nothing tells little"
    assert training.accuracy(200) == right / 200


def test_the_command_trains_and_says_so(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["previous", *AS_OPTIONS.split(), "--post-norm", "--out", str(folder)]) == 0
    told = capsys.readouterr().out
    share = json.loads((folder / "training.json").read_text())["unseen_samples_right"]
    assert told == f"{share:.1%} of unseen samples are right. The model is in {folder}.\n"
    assert sorted(path.name for path in folder.iterdir()) == (
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"]
    )
    assert json.loads((folder / "config.json").read_text())["norm_first"] is False
    assert os.environ.get("HF_HUB_OFFLINE") == "1"
