"""Trainings in child processes: bounded, isolated, the same to the bit, stopped and gone on with, never left behind."""

import errno
import os
import re
import shutil
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from analysis.recording import Frame
from models import load_model
from models.errors import BadSettings, HeadlightError, NoText
from ui.services import trainings as module
from ui.services.trainings import FAILED, FINISHED, RUNNING, STOPPED, NoTraining, Training, Trainings, ordered

pytestmark = pytest.mark.slow
SECONDS = 120
SMALL = {"n_layers": 1, "n_heads": 3, "d_model": 12, "d_feedforward": 17, "batch_size": 7}


@pytest.fixture
def trainings(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = Trainings()
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


def order(seed: int = 0, steps: int = 40, text: str = "a b c"):
    return ordered("previous", text, seed=seed, steps=steps, **SMALL)


def until(condition, training: Training) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, (training.status, training.problem)
        time.sleep(0.05)


def ended(training: Training) -> list[Frame]:
    until(lambda: training.status not in (RUNNING, module.STOPPING), training)
    return training.frames()


def deleted_at_once(folder: Path) -> None:
    """Rename the folder first: a training that still writes into it would keep it from being empty."""
    shutil.rmtree(folder.rename(folder.with_name(f"deleted {folder.name}")))


def same(one: Frame, other: Frame) -> bool:
    return one.step == other.step and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("accuracy", "scores", "maps")
    )


def test_two_at_once_are_each_what_they_are_alone(trainings):
    ann, bob = trainings.start(order(seed=1), "ann"), trainings.start(order(seed=2), "bob")
    assert trainings.of("ann") is ann
    assert trainings.of("bob") is bob
    assert trainings.of("eve") is None
    together = ended(ann)
    assert (ann.status, ended(bob)[-1].step) == (FINISHED, 40)
    assert not np.array_equal(together[-1].maps, bob.frames()[-1].maps)
    alone = ended(trainings.start(order(seed=1), "eve"))
    assert [frame.step for frame in alone] == list(range(0, 41, 2))
    assert [frame.loss for frame in alone[1:]] == [frame.loss for frame in together[1:]]
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_stopped_and_gone_on_with_has_no_gap_and_no_frame_twice(trainings):
    # Many steps, so that it is under way when it is stopped.
    training = trainings.start(order(steps=3000), "ann")
    until(lambda: len(training.frames()) > 3, training)
    training.stop()
    before = ended(training)
    assert training.status == STOPPED
    assert before[-1].step < 3000
    trainings.resume("ann")
    until(lambda: len(training.frames()) > len(before) + 2, training)
    training.stop()
    steps = [frame.step for frame in ended(training)]
    assert steps == list(range(0, steps[-1] + 1, training.order.every))
    assert all(same(one, other) for one, other in zip(before, training.frames(), strict=False))
    trainings.resume("ann")
    os.kill(training._process.pid, 9)
    assert ended(training)
    assert training.status == FAILED


def test_the_finished_model_is_one_that_opens(trainings, tmp_path_factory):
    training = trainings.start(order(steps=20), "ann")
    ended(training)
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(BytesIO(training.model_zip())) as archive:
        names = {name.removeprefix("previous/") for name in archive.namelist()}
        archive.extractall(folder)
    assert {"config.json", "model.safetensors", "tokenizer.json", "training.json"} <= names
    assert not {"log.txt", "checkpoint.safetensors"} & names
    attention = load_model(str(folder / "previous")).trace("a b c")["encoder"]
    levels = np.round(np.stack([attention.layer(0)]) * 255)
    # The page's maps are the model's, in 255 levels; replayed weights may differ in the last bit.
    assert np.abs(levels - training.frames()[-1].maps).max() <= 1


def test_one_more_than_the_server_takes_is_told_so(trainings, monkeypatch):
    monkeypatch.setenv("HEADLIGHT_TRAININGS", "1")
    trainings.start(order(steps=3000), "ann")
    with pytest.raises(NoTraining, match="1 training runs on this server already, as many as it takes at once: watch"):
        trainings.start(order(), "bob")
    assert trainings.of("bob") is None
    # Her own next one takes the place of the first.
    first = trainings.of("ann")
    second = trainings.start(order(steps=3000), "ann")
    assert not first.folder.exists()
    assert first._process.poll() is not None
    assert trainings.of("ann") is second
    trainings.put_away("ann")
    monkeypatch.setenv("HEADLIGHT_TRAININGS", "0")
    with pytest.raises(NoTraining, match="This server starts no trainings"):
        trainings.start(order(), "bob")


def test_a_killed_one_says_so_in_a_sentence_and_goes_on(trainings):
    training = trainings.start(order(steps=3000), "ann")
    until(lambda: len(training.frames()) > 3, training)
    os.kill(training._process.pid, 9)
    n_frames = len(ended(training))
    assert training.status == FAILED
    assert training.problem.startswith("The training ended unexpectedly after step ")
    assert training.problem.count(". ") == 0
    trainings.resume("ann")
    until(lambda: len(training.frames()) > n_frames, training)
    steps = [frame.step for frame in training.frames()]
    assert steps == sorted(set(steps))


def test_what_the_training_itself_refuses_is_its_sentence(trainings):
    training = trainings.start(ordered("previous", "a b", steps=400, learning_rate=1.0, **SMALL), "ann")
    training.stop()
    ended(training)
    (training.folder / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    trainings.resume("ann")
    ended(training)
    assert training.status == FAILED
    assert "is not a checkpoint of this version: delete it and train again." in training.problem


def test_an_abandoned_one_is_ended_and_later_deleted(trainings, monkeypatch):
    training = trainings.start(order(steps=3000), "ann")
    until(lambda: training.frames(), training)
    monkeypatch.setattr(module, "WATCH_TIMEOUT_SECONDS", 0.0)
    trainings.tidy()
    ended(training)
    assert training.status == STOPPED
    assert (training.folder / "checkpoint.safetensors").exists()
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.0)
    trainings.tidy()
    assert not training.folder.exists()
    with pytest.raises(NoTraining, match="start it again"):
        trainings.resume("ann")


def test_it_ends_with_the_server(trainings):
    training = trainings.start(order(steps=3000), "ann")
    until(lambda: training.frames(), training)
    training._process.stdin.close()  # what the system does when the server is gone
    ended(training)
    assert training.status == STOPPED
    assert training._process.returncode == 0


@pytest.mark.parametrize(
    ("changes", "text", "refusal", "sentence"),
    [
        ({"n_heads": 5}, "a b", BadSettings, "5 heads do not divide a width of 64"),
        ({"learning_rate": -1.0}, "a b", BadSettings, "Choose a learning rate above 0"),
        ({"depth": 2}, "a b", BadSettings, "There is no setting depth"),
        ({}, "a b 7", NoText, "This is not a text of the task 'The letter before': try 'h e a d l i g h t'."),
        ({}, "a " * 300, NoText, "The text has 600 characters: choose one of 400 at most."),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_starts(changes, text, refusal, sentence):
    with pytest.raises(refusal, match=sentence):
        ordered("previous", text, **changes)


@pytest.mark.parametrize("text", ["360", "-1", "seven"])
def test_a_picture_is_named_by_a_number(text):
    with pytest.raises(NoText, match="give a number from 0 to 359"):
        ordered("digits", text)


def test_a_text_that_looks_like_an_option_is_a_text():
    command = ordered("dates", "3. März 1998", n_layers=1).command(Path("folder"))
    assert "--text=3. März 1998" in command
    assert "--layers=1" in command


@pytest.mark.parametrize(("steps", "every"), [(20, 1), (60, 3), (1200, 10), (4000, 10), (10_000, 25)])
def test_frames_are_neither_few_nor_too_many(steps, every):
    assert order(steps=steps).every == every


# --- the disk ---------------------------------------------------------------------------------------------------------

# The command of a training on a disk that is full as long as there is a file called "full".
ON_A_FULL_DISK = """
import errno, os, sys
import models.scratch.training
from analysis import recording

def save_file(*arguments, real=models.scratch.training.save_file, **options):
    if os.path.exists({full!r}):
        raise OSError(errno.ENOSPC, "No space left on device")
    return real(*arguments, **options)

models.scratch.training.save_file = save_file
sys.exit(recording.main(sys.argv[1:]))
"""


def test_a_full_disk_is_said_and_resume_goes_on_when_there_is_space(trainings, tmp_path_factory, monkeypatch):
    """Full in the middle and still full at Resume; then the frames are those of a training without it."""
    full = tmp_path_factory.mktemp("disk") / "full"
    real = module.Order.command

    def command(order, folder):
        python, _, _, *options = real(order, folder)
        return [python, "-c", ON_A_FULL_DISK.format(full=str(full)), *options]

    with monkeypatch.context() as patched:
        patched.setattr(module.Order, "command", command)
        training = trainings.start(order(steps=400), "ann")
        until(lambda: len(training.frames()) > 3, training)
        full.touch()
        before = ended(training)
        for _ in range(2):
            assert training.status == FAILED
            assert re.match(r"The disk at /\S* is full: free space on it and resume, or train on an", training.problem)
            trainings.resume("ann")
            ended(training)
        full.unlink()
        trainings.resume("ann")
        frames = ended(training)
    assert training.status == FINISHED
    assert [frame.step for frame in frames] == list(range(0, 401, training.order.every))
    assert all(same(one, other) for one, other in zip(before, frames, strict=False))
    alone = ended(trainings.start(order(steps=400), "bob"))
    assert all(same(one, other) for one, other in zip(alone, frames, strict=True))


def test_a_disk_without_room_for_a_folder_is_said(trainings, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(HeadlightError, match=r"^The disk at /.* is full: free space on it and resume, or train on"):
            trainings.start(order(), "ann")
        patched.setattr(tempfile, "gettempdir", full)
        with pytest.raises(HeadlightError, match=r"^No folder for temporary files can be written on this server: "):
            trainings.start(order(), "ann")
    assert trainings.of("ann") is None
    trainings.start(order(), "ann")


def test_a_folder_that_was_deleted_is_said(trainings):
    """While it rests; one that runs makes its folder anew and goes on."""
    training = trainings.start(order(steps=3000), "ann")
    until(lambda: len(training.frames()) > 3, training)
    deleted_at_once(training.folder)
    n_frames = len(training.frames())
    until(lambda: len(training.frames()) > n_frames, training)
    training.stop()
    ended(training)
    assert training.status == STOPPED
    (training.folder / "checkpoint.safetensors").unlink()
    for _ in range(2):
        assert training.status == FAILED
        assert training.problem == (
            "The folder of this training was deleted on the server, and its checkpoint with it: start it again."
        )
        with pytest.raises(NoTraining, match="was deleted on the server"):
            trainings.resume("ann")
        shutil.rmtree(training.folder, ignore_errors=True)
    # With the folder of the whole server gone, a running one ends, and the next one has a new place.
    training = trainings.start(order(steps=3000), "ann")
    until(lambda: len(training.frames()) > 3, training)
    deleted_at_once(training.folder.parent)
    ended(training)
    assert "was deleted" in training.problem
    assert ended(trainings.start(order(steps=20), "ann"))[-1].step == 20


def test_what_a_process_says_is_not_written_to_the_disk(trainings):
    training = trainings.start(order(steps=20), "ann")
    ended(training)
    names = {path.name for path in training.folder.iterdir()}
    assert names == {
        *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"),
        *("frames", "recording.npz"),
    }


def test_a_server_that_is_ending_starts_no_more(trainings):
    trainings.close()
    with pytest.raises(NoTraining, match="This server is ending"):
        trainings.start(order(), "ann")
