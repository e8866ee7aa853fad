"""Recordings of trainings: what a frame holds, files that come back as they were, and files that are none."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from analysis.recording import (
    FRAMES,
    LARGEST,
    WATCHED,
    Frame,
    Recorder,
    Recording,
    read_frames,
    record,
    write_frame,
)
from models.errors import BadTraining, NoText
from models.scratch.tasks import TASKS, Settings
from models.scratch.training import CHECKPOINT, Training

pytestmark = pytest.mark.slow

SMALL = Settings(n_layers=2, n_heads=3, d_model=12, d_feedforward=7, steps=13, batch_size=5, seed=9, dropout=0.1)
OPTIONS = {name: getattr(SMALL, name) for name in SMALL.__dataclass_fields__}


def frame_at(step: int, n_positions: int = 5) -> Frame:
    dice = np.random.default_rng(step)
    maps = dice.integers(0, 256, (2, 3, n_positions, n_positions + 2), dtype=np.uint8)
    return Frame(step, float(dice.random()), float(dice.random()), dice.random((2, 3)), maps)


def recording(n_frames: int) -> Recording:
    return Recording.of("sorting", "b a n a n a", 1000, [frame_at(10 * number) for number in range(n_frames)])


def assert_same(one: Recording, other: Recording) -> None:
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, vars(other)[name], err_msg=name)
        assert np.asarray(value).dtype == np.asarray(vars(other)[name]).dtype


class Stop:
    """Asks to stop after some steps."""

    def __init__(self, after: int = 10**9) -> None:
        self.asked, self.left = self, after

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_frames", [1, 7])
def test_a_recording_comes_back_as_it_was(n_frames, tmp_path):
    before = recording(n_frames)
    before.save(tmp_path / "it.npz")
    after = Recording.load(tmp_path / "it.npz")
    assert_same(before, after)
    assert type(after.steps_in_all) is int
    assert type(after.text) is str


def test_thin_keeps_the_ends_and_the_start_closest():
    whole = recording(301)
    thin = whole.thin(17)
    assert len(thin.step) <= 17
    assert (thin.step[0], thin.step[-1]) == (0, 3000)
    assert np.all(np.diff(thin.step) > 0)
    assert np.diff(thin.step)[:3].max() < np.diff(thin.step)[-3:].min()
    for name in ("loss", "accuracy", "scores", "maps"):
        np.testing.assert_array_equal(getattr(thin, name), getattr(whole, name)[thin.step // 10])
    assert whole.thin(301) is whole
    assert len(recording(80).thin().step) == 80
    assert len(recording(81).thin().step) <= 80


def rewritten(**arrays: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        np.savez(path, **{name: one for name, one in {**vars(recording(3)), **arrays}.items() if one is not None})

    return write


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def spoilt(path: Path) -> None:
    """Turn bits in the middle of what is compressed."""
    found = bytearray(path.read_bytes())
    found[len(found) // 2 : len(found) // 2 + 40] = b"\xff" * 40
    path.write_bytes(bytes(found))


def bomb(path: Path) -> None:
    """A few hundred kilobytes that unpack to more than memory should hold."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("maps.npy", "w") as file:
        for _ in range(LARGEST // 2**20 + 1):
            file.write(bytes(2**20))


def no_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def unknown_compression(path: Path) -> None:
    found = bytearray(path.read_bytes())
    for place in range(len(found) - 12):
        if found[place : place + 4] in (b"PK\x03\x04", b"PK\x01\x02"):
            offset = place + (8 if found[place + 2] == 3 else 10)
            found[offset : offset + 2] = b"\x63\x00"
    path.write_bytes(bytes(found))


def header(described: str, part: str = "maps.npy") -> Callable[[Path], None]:
    """Replace one array by a header that numpy is to read as Python, and nothing behind it."""

    def replace(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        raw = described.encode()
        parts[part] = b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw
        with zipfile.ZipFile(path, "w") as archive:
            for name, raw in parts.items():
                archive.writestr(name, raw)

    return replace


def no_array(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in parts.items():
            archive.writestr(name, b"no array" if name == "maps.npy" else raw)


NO_RECORDING: dict[str, Callable[[Path], None]] = {
    "a header that does not end": header("{'descr': '<f8', 'fortran_order': False, 'shape': (3"),
    "a header that is deep": header("(" * 900),
    "a header that is no dictionary": header("1" * 5000),
    "a part that is no array": no_array,
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "a text": lambda path: path.write_text("frames"),
    "an array alone": no_archive,
    "cut": cut,
    "spoilt": spoilt,
    "a bomb": bomb,
    "a compression that is unknown": unknown_compression,
    "an array missing": rewritten(loss=None),
    "objects": rewritten(text=np.array([{"a": 1}], dtype=object)),
    "objects for numbers": rewritten(loss=np.array([1, 2, None], dtype=object)),
    "words for numbers": rewritten(loss=np.array(["a", "b", "c"])),
    "a frame missing": rewritten(loss=np.zeros(2)),
    "another number of heads": rewritten(scores=np.zeros((3, 2, 5))),
    "maps without heads": rewritten(maps=np.zeros((3, 2, 5, 7), dtype=np.uint8)),
    "maps of other numbers": rewritten(maps=np.zeros((3, 2, 3, 5, 7), dtype=np.uint16)),
    "steps that are no numbers": rewritten(step=np.zeros(3)),
    "no frames": rewritten(**{name: one[:0] for name, one in vars(recording(1)).items() if np.ndim(one)}),
    "one step": rewritten(step=np.array(3)),
    "steps in all that are many": rewritten(steps_in_all=np.arange(3)),
}


@pytest.mark.parametrize("what", NO_RECORDING)
def test_a_file_that_is_no_recording(what, tmp_path):
    path = tmp_path / "recording.npz"
    recording(3).save(path)
    NO_RECORDING[what](path)
    with pytest.raises(BadTraining) as caught:
        Recording.load(path)
    assert str(caught.value) == "recording.npz is not a recording of a training: record it again."


# --- frames -----------------------------------------------------------------------------------------------------------


def test_frames_come_in_order_and_whole(tmp_path, monkeypatch):
    assert read_frames(tmp_path) == []
    for step in (30, 0, 100, 20):
        write_frame(tmp_path, frame_at(step))
    found = read_frames(tmp_path)
    assert [frame.step for frame in found] == [0, 20, 30, 100]
    for frame in found:
        for name, value in vars(frame_at(frame.step)).items():
            np.testing.assert_array_equal(vars(frame)[name], value)
    assert [frame.step for frame in read_frames(tmp_path, after=20)] == [30, 100]

    def dies(file: io.BufferedWriter, **arrays: Any) -> None:
        del arrays
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", dies)
    with pytest.raises(OSError, match="no space"):
        write_frame(tmp_path, frame_at(20))
    assert [frame.step for frame in read_frames(tmp_path)] == [0, 20, 30, 100]


def test_a_frame_that_is_forgotten_while_it_is_looked_for(tmp_path, monkeypatch):
    write_frame(tmp_path, frame_at(10))
    write_frame(tmp_path, frame_at(20))
    real = np.load

    def load(path: Path, **options: Any) -> Any:
        if path.stem.endswith("20"):
            path.unlink()
        return real(path, **options)

    monkeypatch.setattr(np, "load", load)
    assert [frame.step for frame in read_frames(tmp_path)] == [10]


@pytest.mark.parametrize("task", ["sorting", "recall", "dates", "series", "digits"])
def test_a_frame_says_what_the_network_does(task):
    training = Training(TASKS[task], SMALL)
    recorder = Recorder(training)
    losses = []
    real, training.advance = training.advance, lambda: losses.append(real()) or losses[-1]
    first = recorder.frame()
    for _ in range(3):
        recorder.advance()
    frame = recorder.frame()
    assert (first.step, frame.step) == (0, 3)
    assert np.isnan(first.loss)
    assert frame.loss == pytest.approx(np.mean(losses))
    queries = TASKS[task].watched_queries(recorder.text)
    with training.evaluating() as network:
        maps = TASKS[task].attention(network, TASKS[task].watched_batch(recorder.text))[:, 0].numpy()
    assert frame.maps.shape == (2, 3, len(queries), maps.shape[-1])
    np.testing.assert_allclose(frame.maps / 255, maps[:, :, queries], rtol=0, atol=0.5 / 255 + 1e-6)
    assert not np.array_equal(first.maps, frame.maps)
    if task == "digits":
        assert np.isnan(frame.scores).all()
        assert frame.accuracy == pytest.approx(training.accuracy())
        return
    # Over the same unseen texts, one at a time, without a batch's padding.
    samples = TASKS[task].samples(Random("watched"), WATCHED, held_out=True)
    right, asked, answered = np.zeros((2, 3)), 0, 0
    with training.evaluating() as network:
        for sample in samples:
            batch = TASKS[task].batch([sample])
            strongest = TASKS[task].attention(network, batch)[:, 0].argmax(-1).numpy()
            answered += bool(TASKS[task].judge(network, batch)[0])
            for query, keys in enumerate(sample[1].truth):
                asked += bool(keys)
                right += np.isin(strongest[:, :, query], list(keys))
    np.testing.assert_allclose(frame.scores, right / asked, rtol=0, atol=2 / asked)
    assert frame.accuracy == answered / WATCHED


def test_a_text_to_watch(tmp_path):
    training = Training(TASKS["sorting"], SMALL)
    assert Recorder(training).text == TASKS["sorting"].examples[0]
    assert Recorder(training, "c a b").frame().maps.shape == (2, 3, 5, 5)
    with pytest.raises(NoText, match=r"^This is not a text of the task 'Sorting': try 'h e a d l i g h t'\.$"):
        record(TASKS["sorting"], tmp_path / "model", text="1 2", stop=Stop(), **OPTIONS)
    assert not list(tmp_path.iterdir())


# --- recorded or not, stopped or not ----------------------------------------------------------------------------------


def test_recorded_is_as_not_recorded(tmp_path):
    """To the bit, and stopped in between too: at a frame, and between frames."""
    plain = Training(TASKS["sorting"], SMALL)
    while not plain.finished:
        plain.advance()
    plain.save(tmp_path / "plain")
    assert record(TASKS["sorting"], tmp_path / "whole", every=5, stop=Stop(), **OPTIONS)
    for after, step in ((5, 5), (2, 7)):
        assert not record(TASKS["sorting"], tmp_path / "stopped", every=5, stop=Stop(after), **OPTIONS)
        assert Training.resume(tmp_path / "stopped").step == step
        assert not (tmp_path / "stopped" / "recording.npz").exists()
    # A frame of a future that a killed training has not kept is forgotten.
    write_frame(tmp_path / "stopped", frame_at(8))
    assert record(TASKS["sorting"], tmp_path / "stopped", every=5, stop=Stop(), **OPTIONS)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "whole", "stopped")]
    assert weights[0] == weights[1] == weights[2]
    one, other = (Recording.load(tmp_path / name / "recording.npz") for name in ("whole", "stopped"))
    assert one.step.tolist() == other.step.tolist() == [0, 5, 10, 13]
    for name in ("accuracy", "scores", "maps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.task, one.steps_in_all) == ("sorting", 13)
    assert not (tmp_path / "whole" / CHECKPOINT).exists()
    assert len(read_frames(tmp_path / "whole")) == len(list((tmp_path / "whole" / FRAMES).glob("*"))) == 4
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == (
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"]
    )


def test_a_folder_of_another_training(tmp_path):
    Training(TASKS["sorting"], SMALL).save_checkpoint(tmp_path)
    with pytest.raises(BadTraining, match="with other settings"):
        record(TASKS["sorting"], tmp_path, stop=Stop(), **{**OPTIONS, "seed": 10})
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]
