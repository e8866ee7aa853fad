"""A training's scene and frames as the browser gets them: every task's maps fit its scene, and updates stay small."""

import numpy as np
import pytest

from analysis.recording import Frame, Recorder, Recording
from models.scratch.tasks import TASKS
from models.scratch.training import Training, change_settings
from tests.helpers.read_back import unpack
from viz.colours import table
from viz.wire import training
from viz.wire.training import chance_level, frames_of, pack_frames, pack_scene, scene

SMALL = {"n_layers": 2, "n_heads": 3, "d_model": 12, "d_feedforward": 17, "batch_size": 5, "steps": 7}
N_LAYERS, N_HEADS, N_QUERY, N_KEY = 2, 3, 5, 7


def frame(step: int, seed: int = 0) -> Frame:
    random = np.random.default_rng(seed + step)
    maps = random.integers(0, 256, (N_LAYERS, N_HEADS, N_QUERY, N_KEY), dtype=np.uint8)
    return Frame(step, 0.5 / (step + 1), 0.25, random.random((N_LAYERS, N_HEADS)), maps)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_s_maps_fit_its_scene(name):
    task = TASKS[name]
    text = task.examples[-1] if task.examples else "3"
    maps = Recorder(Training(task, change_settings(task.settings, **SMALL)), text).frame().maps
    about = scene(task, text, maps.shape[3])
    assert (len(about["queries"]), len(about["keys"])) == maps.shape[2:]
    assert all(row < maps.shape[2] and key < maps.shape[3] for row, key in about["truth"])
    assert bool(about["truth"]) == task.has_truth
    expected = {"digits": "picture", "series": "signal"}.get(name, "maps")
    assert about["form"] == expected
    header, arrays = unpack(pack_scene(about, key="some training", steps=7))
    assert header["steps"] == 7
    np.testing.assert_array_equal(arrays["light"].reshape(256, 3), table("blues"))
    np.testing.assert_array_equal(arrays["dark"].reshape(256, 3), table("night"))


def test_the_right_cells_are_those_of_the_task():
    about = scene(TASKS["previous"], "a b c", 5)
    assert [name for name, _ in about["keys"]] == ["[START]", "a", "b", "c", "[END]"]
    assert [special for _, special in about["keys"]] == [True, False, False, False, True]
    assert about["truth"] == [[2, 1], [3, 2]]


def test_a_translation_s_rows_are_what_the_decoder_reads():
    about = scene(TASKS["dates"], "3. März 1998", 13)
    assert "".join(name for name, _ in about["queries"][1:]) == "1998-03-03"
    assert about["keys"][-1] == ("[END]", True)
    assert "".join(name for name, _ in about["keys"][:-1]) == "3. märz 1998"


def test_a_signal_s_clean_value_stands_at_the_place_that_it_is_said_for():
    text = " ".join(str(10 + 7 * (place % 5)) for place in range(17))
    about = scene(TASKS["series"], text, 18)
    assert about["signal"][:3] == [None, 10, 17]
    known = [(value, clean) for value, clean in zip(about["signal"], about["clean"], strict=True) if clean is not None]
    assert len(known) >= 7
    assert all(value == clean for value, clean in known)


def test_a_picture_is_one_that_is_not_trained_on():
    about = scene(TASKS["digits"], "3", 17)
    assert len(about["picture"]) == 64
    assert max(about["picture"]) > 200
    assert about["keys"][7][0] == "row 1, column 2"


def test_frames_come_back_as_they_were():
    frames = [frame(step) for step in (0, 3, 5)]
    header, arrays = unpack(pack_frames(frames, key="a", after=0, live=True))
    assert (header["key"], header["after"], header["live"]) == ("a", 0, True)
    assert header["shape"] == [N_LAYERS, N_HEADS, N_QUERY, N_KEY]
    np.testing.assert_array_equal(arrays["step"], [3, 5])
    np.testing.assert_array_equal(arrays["maps"].reshape(2, *header["shape"]), [frames[1].maps, frames[2].maps])
    np.testing.assert_allclose(arrays["scores"].reshape(2, N_LAYERS, N_HEADS)[1], frames[2].scores, rtol=1e-6)


def test_nothing_new_is_nearly_nothing():
    packed = pack_frames([frame(0), frame(3)], key="a", after=3)
    assert len(packed) < 400
    assert unpack(packed)[1]["step"].size == 0


@pytest.mark.parametrize(("after", "most"), [(-1, "MOST_AT_ONCE"), (0, "MOST_IN_UPDATE")])
def test_more_frames_than_an_update_may_hold_are_thinned_to_the_last(monkeypatch, after, most):
    frames = [frame(step) for step in range(0, 101)]
    monkeypatch.setattr(training, most, 17 * frames[0].maps.nbytes)
    _, arrays = unpack(pack_frames(frames, key="a", after=after))
    assert arrays["maps"].nbytes <= 17 * frames[0].maps.nbytes
    assert 13 <= arrays["step"].size <= 17
    assert arrays["step"][-1] == 100
    assert len(set(np.diff(arrays["step"]))) == 1


def test_a_recording_is_its_frames():
    frames = [frame(step) for step in (0, 2, 7)]
    back = frames_of(Recording.of("previous", "a b", 7, frames))
    assert [one.step for one in back] == [0, 2, 7]
    assert all(np.array_equal(one.maps, other.maps) for one, other in zip(back, frames, strict=True))


def test_chance_is_what_a_head_that_looks_anywhere_reaches():
    assert chance_level("digits") is None
    # One right place of n, and n is 4 to 24 positions.
    assert 1 / 24 < chance_level("previous") < 1 / 4
    # Half as many keys are to be seen on average, and several are right.
    assert chance_level("series") > 1 / 58
