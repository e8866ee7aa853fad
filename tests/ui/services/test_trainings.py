"""Trainings in child processes: bounded, isolated, the same to the bit, stopped and resumed, never left behind."""

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

from analysis.recording import Frame, Recorder
from models import load_model
from models.errors import BadSettings, HeadlightError, NoText
from models.scratch.tasks import TASKS
from models.scratch.training import Training
from tests.helpers.forked import fork_trainings
from ui.services import trainings as module
from ui.services.trainings import (
    FAILED,
    FINISHED,
    RUNNING,
    STOPPED,
    NoTraining,
    TrainingProcess,
    TrainingRequest,
    Trainings,
    make_request,
)

pytestmark = pytest.mark.slow
SECONDS = 120
SMALL = {"n_layers": 1, "n_heads": 3, "d_model": 12, "d_feedforward": 17, "batch_size": 7}


# What is started as the server starts it; the other tests fork their trainings from a process that is ready.
REAL = {"test_the_finished_folder_holds_a_model_that_opens", "test_a_training_ends_with_the_server"}


@pytest.fixture
def trainings(request, tmp_path, monkeypatch):
    if request.function.__name__ not in REAL:
        fork_trainings(monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Nobody watches here: on a busy machine the server stopped a training whose process was still importing.
    monkeypatch.setattr(module, "WATCH_TIMEOUT_SECONDS", 10.0 * SECONDS)
    made = Trainings()
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


def small_request(seed: int = 0, steps: int = 40, text: str = "a b c"):
    return make_request("previous", text, seed=seed, steps=steps, **SMALL)


def until(condition, training: TrainingProcess) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, (training.status, training.problem)
        time.sleep(0.05)


def ended(training: TrainingProcess) -> list[Frame]:
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


def undisturbed(request: TrainingRequest) -> list[Frame]:
    """Return the frames of a training in this process, which nothing stops: the reference for child processes."""
    recorder = Recorder(Training(TASKS[request.task], request.settings), request.text)
    frames = [recorder.frame()]
    while not recorder.training.finished:
        recorder.advance()
        if recorder.training.step % request.every == 0 or recorder.training.finished:
            frames.append(recorder.frame())
    return frames


def test_two_trainings_at_once_give_the_frames_of_each_alone(trainings):
    ann, bob = trainings.start(small_request(seed=1), "ann"), trainings.start(small_request(seed=2), "bob")
    assert trainings.of("ann") is ann
    assert trainings.of("bob") is bob
    assert trainings.of("eve") is None
    assert (ended(ann)[-1].step, ended(bob)[-1].step) == (40, 40)
    assert (ann.status, bob.status) == (FINISHED, FINISHED)
    assert not np.array_equal(ann.frames()[-1].maps, bob.frames()[-1].maps)
    for training in (ann, bob):
        together, alone = training.frames(), undisturbed(training.request)
        assert [frame.step for frame in alone] == list(range(0, 41, 2))
        assert [frame.loss for frame in alone[1:]] == [frame.loss for frame in together[1:]]
        assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_a_resumed_training_has_no_gap_and_no_frame_twice(trainings):
    # Many steps, so that it still runs when it is stopped.
    training = trainings.start(small_request(steps=3000), "ann")
    until(lambda: len(training.frames()) > 3, training)
    training.stop()
    before = ended(training)
    assert training.status == STOPPED
    assert before[-1].step < 3000
    trainings.resume("ann")
    until(lambda: len(training.frames()) > len(before) + 2, training)
    training.stop()
    steps = [frame.step for frame in ended(training)]
    assert steps == list(range(0, steps[-1] + 1, training.request.every))
    assert all(same(one, other) for one, other in zip(before, training.frames(), strict=False))
    trainings.resume("ann")
    os.kill(training._process.pid, 9)
    assert ended(training)
    assert training.status == FAILED


def test_the_finished_folder_holds_a_model_that_opens(trainings, tmp_path_factory):
    training = trainings.start(small_request(steps=20), "ann")
    ended(training)
    # The output of the process is not written to the disk.
    model = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"}
    assert {path.name for path in training.folder.iterdir()} == {*model, "frames", "recording.npz"}
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(BytesIO(training.model_zip())) as archive:
        names = {name.removeprefix("previous/") for name in archive.namelist()}
        archive.extractall(folder)
    assert model | {"recording.npz"} == names
    attention = load_model(str(folder / "previous")).trace("a b c")["encoder"]
    levels = np.round(np.stack([attention.layer(0)]) * 255)
    # The page's maps are the model's, in 255 levels; replayed weights may differ in the last bit.
    assert np.abs(levels - training.frames()[-1].maps).max() <= 1


def test_one_training_more_than_the_limit_is_refused(trainings, monkeypatch):
    monkeypatch.setenv("HEADLIGHT_TRAININGS", "1")
    trainings.start(small_request(steps=3000), "ann")
    with pytest.raises(NoTraining, match="This server already runs 1 training, which is its limit: watch"):
        trainings.start(small_request(), "bob")
    assert trainings.of("bob") is None
    # Ann's next training replaces her first one.
    first = trainings.of("ann")
    second = trainings.start(small_request(steps=3000), "ann")
    assert not first.folder.exists()
    assert first._process.poll() is not None
    assert trainings.of("ann") is second
    trainings.delete("ann")
    monkeypatch.setenv("HEADLIGHT_TRAININGS", "0")
    with pytest.raises(NoTraining, match="This server starts no trainings"):
        trainings.start(small_request(), "bob")


def test_a_killed_training_says_so_in_one_sentence_and_can_be_resumed(trainings):
    training = trainings.start(small_request(steps=3000), "ann")
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


def test_a_refusal_of_the_training_process_is_shown(trainings):
    training = trainings.start(make_request("previous", "a b", steps=400, learning_rate=1.0, **SMALL), "ann")
    training.stop()
    ended(training)
    (training.folder / "checkpoint.safetensors").write_bytes(b"no checkpoint")
    trainings.resume("ann")
    ended(training)
    assert training.status == FAILED
    assert "is not a checkpoint of this version: delete it and train again." in training.problem


def test_an_abandoned_training_is_stopped_and_later_deleted(trainings, monkeypatch):
    training = trainings.start(small_request(steps=3000), "ann")
    until(lambda: training.frames(), training)
    monkeypatch.setattr(module, "WATCH_TIMEOUT_SECONDS", 0.0)
    trainings.tidy()
    ended(training)
    assert training.status == STOPPED
    assert (training.folder / "checkpoint.safetensors").exists()
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.0)
    trainings.tidy()
    assert not training.folder.exists()
    with pytest.raises(NoTraining, match="start it again"):
        trainings.resume("ann")


def test_a_training_ends_with_the_server(trainings):
    training = trainings.start(small_request(steps=3000), "ann")
    until(lambda: training.frames(), training)
    training._process.stdin.close()  # as the operating system does when the server has ended
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
def test_an_impossible_request_is_refused_before_any_process_starts(changes, text, refusal, sentence):
    with pytest.raises(refusal, match=sentence):
        make_request("previous", text, **changes)


@pytest.mark.parametrize("text", ["360", "-1", "seven"])
def test_a_picture_is_named_by_a_number(text):
    with pytest.raises(NoText, match="give a number from 0 to 359"):
        make_request("digits", text)


def test_a_text_that_looks_like_an_option_is_a_text():
    command = make_request("dates", "3. März 1998", n_layers=1).command(Path("folder"))
    assert "--text=3. März 1998" in command
    assert "--layers=1" in command


@pytest.mark.parametrize(("steps", "every"), [(20, 1), (60, 3), (1200, 10), (4000, 10), (10_000, 25)])
def test_the_number_of_frames_is_bounded_on_both_sides(steps, every):
    assert small_request(steps=steps).every == every


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


def test_a_full_disk_is_reported_and_resume_works_when_there_is_space(trainings, tmp_path_factory, monkeypatch):
    """The disk fills during training and is still full at Resume; the frames are those of an undisturbed training."""
    full = tmp_path_factory.mktemp("disk") / "full"
    real = module.TrainingRequest.command

    def command(order, folder):
        python, _, _, _, *options = real(order, folder)
        return [python, "-c", ON_A_FULL_DISK.format(full=str(full)), *options]

    with monkeypatch.context() as patched:
        patched.setattr(module.TrainingRequest, "command", command)
        training = trainings.start(small_request(steps=400), "ann")
        until(lambda: len(training.frames()) > 3, training)
        full.touch()
        before = ended(training)
        sentence = r"The disk at /\S* is full: free space on it and resume, or train on an"
        assert training.status == FAILED
        assert re.match(sentence, training.problem)
        trainings.resume("ann")
        ended(training)
        assert training.status == FAILED
        assert re.match(sentence, training.problem)
        full.unlink()
        trainings.resume("ann")
        frames = ended(training)
    assert training.status == FINISHED
    assert [frame.step for frame in frames] == list(range(0, 401, training.request.every))
    assert all(same(one, other) for one, other in zip(before, frames, strict=False))
    assert all(same(one, other) for one, other in zip(undisturbed(training.request), frames, strict=True))


def test_a_disk_without_room_for_a_folder_is_reported(trainings, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(HeadlightError, match=r"^The disk at /.* is full: free space on it and resume, or train on"):
            trainings.start(small_request(), "ann")
        patched.setattr(tempfile, "gettempdir", full)
        with pytest.raises(HeadlightError, match=r"^No folder for temporary files can be written on this server: "):
            trainings.start(small_request(), "ann")
    assert trainings.of("ann") is None
    trainings.start(small_request(), "ann")


def test_a_deleted_folder_is_reported(trainings):
    """A stopped training cannot resume without its checkpoint; a running one makes its folder again and continues."""
    training = trainings.start(small_request(steps=3000), "ann")
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
    # Without the folder of the whole server, a running training ends, and the next training makes a new folder.
    training = trainings.start(small_request(steps=3000), "ann")
    until(lambda: len(training.frames()) > 3, training)
    deleted_at_once(training.folder.parent)
    ended(training)
    assert "was deleted" in training.problem
    assert ended(trainings.start(small_request(steps=20), "ann"))[-1].step == 20


def test_a_server_that_shuts_down_starts_no_more(trainings):
    trainings.close()
    with pytest.raises(NoTraining, match="This server is shutting down"):
        trainings.start(small_request(), "ann")
