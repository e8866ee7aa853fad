"""Files of a training on a disk that is full, or killed while they are written: whole or not at all, and said so."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError

import analysis.recording
import models.train
from analysis.recording import FRAMES, Frame, Recording, read_frames, write_frame
from models.errors import HeadlightError
from models.scratch.tasks import TASKS, Settings
from models.scratch.training import CHECKPOINT, Training
from tests.helpers.forked import run_python

pytestmark = pytest.mark.slow
SMALL = Settings(n_layers=1, n_heads=2, d_model=14, d_feedforward=11, steps=20, batch_size=7, seed=3)
AS_OPTIONS = "--layers=1 --heads=2 --width=14 --feedforward=11 --steps=20 --batch-size=7 --seed=3"
MODEL = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"]
# As the writers of the three formats say it: Python's files, the safetensors crate, the tokenizers crate.
FULL = (
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    Exception("No space left on device (os error 28)"),
)


def trained(seed: int = 3, steps: int = 2) -> Training:
    training = Training(TASKS["previous"], Settings(**{**vars(SMALL), "seed": seed}))
    for _ in range(steps):
        training.advance()
    return training


def frame(step: int) -> Frame:
    return Frame(step, 0.5, 0.25, np.zeros((1, 2)), np.zeros((1, 2, 3, 3), dtype=np.uint8))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def raising(error: Exception) -> Callable[..., Any]:
    def write(*arguments: Any, **options: Any) -> None:
        del arguments, options
        raise error

    return write


# --- full -------------------------------------------------------------------------------------------------------------


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "checkpoint": ("models.scratch.training.save_file", lambda folder: trained().save_checkpoint(folder)),
    "weights": ("transformers.PreTrainedModel.save_pretrained", lambda folder: trained().save(folder)),
    "tokenizer": ("models.scratch.tasks.task.Task.save_reader", lambda folder: trained().save(folder)),
    "training.json": ("pathlib.Path.write_text", lambda folder: trained().save(folder)),
    "frame": ("numpy.savez", lambda folder: write_frame(folder, frame(3))),
    "recording": (
        "numpy.savez_compressed",
        lambda folder: Recording.of("previous", "a b", 9, [frame(3)]).save(folder / "recording.npz"),
    ),
}


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("what", WRITERS)
def test_a_full_disk_is_one_sentence_wherever_it_is_met(what, error, tmp_path, monkeypatch):
    writer, write = WRITERS[what]
    with monkeypatch.context() as patched:
        patched.setattr(writer, raising(error))
        with pytest.raises(HeadlightError) as caught:
            write(tmp_path)
    said = str(caught.value)
    assert said.startswith("The disk at /")
    assert said.endswith(
        " is full: free space on it and resume, or train on another disk (a server's TMPDIR, a command's --out)."
    )
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    write(tmp_path)
    assert any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.EDQUOT, "has no space left for this user (quota): free space on it and resume"),
        (errno.EROFS, "can only be read: make it writable and resume"),
        (errno.EACCES, "does not let this user write: change its permissions and resume"),
        (errno.EFBIG, "cannot be written (File too large): make it writable and resume"),
    ],
)
def test_other_refusals_of_the_disk_have_their_own_words(number, why, tmp_path, monkeypatch):
    monkeypatch.setattr("models.scratch.training.save_file", raising(OSError(number, os.strerror(number))))
    with pytest.raises(HeadlightError) as caught:
        trained().save_checkpoint(tmp_path)
    assert why in str(caught.value)


def test_an_error_that_is_none_of_the_disk_s_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("models.scratch.training.save_file", raising(SafetensorError("a tensor that is no tensor")))
    with pytest.raises(SafetensorError, match="no tensor"):
        trained().save_checkpoint(tmp_path)


@pytest.mark.parametrize("command", [models.train, analysis.recording], ids=lambda module: module.__name__)
def test_the_commands_say_it_and_go_on_afterwards(command, tmp_path, monkeypatch, capsys):
    """Full at the first checkpoint, then at the finished model; the end is as if it had not been."""
    handlers = [(one, signal.getsignal(one)) for one in (signal.SIGTERM, signal.SIGINT)]
    if command is models.train:
        monkeypatch.setattr(models.train, "CHECKPOINT_SECONDS", -1.0)
    options = ["previous", *AS_OPTIONS.split(), "--out", str(tmp_path / "full")]
    for writer in ("models.scratch.training.save_file", "models.scratch.tasks.task.Task.save_reader"):
        with monkeypatch.context() as patched:
            patched.setattr(writer, raising(FULL[1]))
            assert command.main(options) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert " is full: free space on it and resume" in said
        assert not (tmp_path / "full" / "config.json").exists()
    assert Training.resume(tmp_path / "full").step == 20
    assert command.main(options) == 0
    assert not (tmp_path / "full" / CHECKPOINT).exists()
    trained(steps=20).save(tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    assert {name: contents(tmp_path / "full")[name] for name in MODEL} == whole
    for one, handler in handlers:
        signal.signal(one, handler)


def test_a_folder_that_was_deleted_is_said(tmp_path):
    folder = tmp_path / "server" / "training"
    with pytest.raises(HeadlightError) as caught:
        trained().save_checkpoint(folder)
    assert str(caught.value) == f"The folder of this training, {folder}, was deleted: start the training again."
    assert not (tmp_path / "server").exists()


# --- killed -----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What stands for a kill: nothing in the code catches it, and nothing is done after it."""


@pytest.mark.parametrize("before", [False, True], ids=["a new folder", "over a finished model"])
def test_a_model_that_is_saved_is_never_a_mixture(before, tmp_path, monkeypatch):
    """Killed before any one of its files is moved: the folder holds the one model, the other, or none that opens."""
    new, old = trained(seed=4), trained()
    new.save(tmp_path / "new")
    old.save(tmp_path / "old")
    whole = [contents(tmp_path / "new"), contents(tmp_path / "old")]
    real, seen = os.replace, set()
    for moment in range(2 * len(MODEL)):
        folder = tmp_path / str(moment)
        if before:
            old.save(folder)
        left = iter(range(moment))

        def replace(source: Any, target: Any, left: Any = left) -> None:
            if next(left, None) is None:
                raise Killed
            real(source, target)

        try:
            with monkeypatch.context() as patched:
                patched.setattr(os, "replace", replace)
                new.save(folder)
        except Killed:
            pass
        found = contents(folder)
        assert found in whole or "config.json" not in found
        seen.add("new" if found == whole[0] else "old" if found == whole[1] else "none")
    assert {"new", "none"} <= seen


@pytest.mark.parametrize("dies", ["models.scratch.tasks.task.Task.save_reader", "pathlib.Path.write_text"])
def test_a_kill_while_a_model_is_written_leaves_what_was_there(dies, tmp_path, monkeypatch):
    trained().save(tmp_path / "it")
    before = contents(tmp_path / "it")
    with monkeypatch.context() as patched:
        patched.setattr(dies, raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            trained(seed=4).save(tmp_path / "it")
    assert contents(tmp_path / "it") == before


def test_a_recording_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "recording.npz"
    Recording.of("previous", "a b", 9, [frame(3)]).save(path)
    before = path.read_bytes()

    def dies(file: Any, **arrays: Any) -> None:
        del arrays
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", dies)
    with pytest.raises(KeyboardInterrupt):
        Recording.of("previous", "a b", 9, [frame(3), frame(4)]).save(path)
    assert contents(tmp_path) == {"recording.npz": before}


DIES_WHILE_IT_WRITES = """
import os, signal
from pathlib import Path
import analysis.recording, models.train, models.scratch.training, numpy

def die(path):
    Path(path).parent.joinpath(".tmpx7Yw2k").write_bytes(b"half")  # where the safetensors crate writes
    Path(path).write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

models.train.CHECKPOINT_SECONDS = -1.0
if "{dies}" == "checkpoint":
    models.scratch.training.save_file = lambda tensors, path, **options: die(path)
elif "{dies}" == "frame":
    numpy.savez = lambda file, **arrays: die(file.name)
else:
    models.scratch.tasks.task.Task.save_reader = lambda task, folder: die(folder / "tokenizer.json")
{command}.main({options})
"""


@pytest.mark.parametrize(
    ("command", "dies"),
    [
        ("models.train", "checkpoint"),
        ("models.train", "model"),
        ("analysis.recording", "checkpoint"),
        ("analysis.recording", "frame"),
        ("analysis.recording", "model"),
    ],
)
def test_parts_that_a_kill_leaves_are_gone_at_the_end(command, dies, tmp_path):
    folder = tmp_path / "it"
    options = ["previous", *AS_OPTIONS.split(), "--out", str(folder)]
    code = DIES_WHILE_IT_WRITES.format(command=command, dies=dies, options=options)
    killed = run_python("-c", code)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (folder / "config.json").exists()
    assert all(Recording.of("previous", "", 20, [one]) for one in read_frames(folder))
    resumed = run_python("-m", command, *options)
    assert resumed.returncode == 0, resumed.stderr
    expected = MODEL if command == "models.train" else sorted([*MODEL, FRAMES, "recording.npz"])
    assert sorted(path.name for path in folder.iterdir()) == expected
    frames = [path.name for path in sorted((folder / FRAMES).glob("*"))]
    assert frames == ([] if command == "models.train" else [f"{step:08}.npz" for step in (0, 10, 20)])
