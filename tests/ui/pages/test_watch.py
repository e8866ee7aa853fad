"""The page "Watch it train" without a browser: recordings, own trainings, and the sentences for mistakes."""

import shutil
import tempfile
import time

import pytest
from streamlit.testing.v1 import AppTest

from analysis.recording import Recorder, Recording
from models.scratch.tasks import TASKS
from models.scratch.training import Training, change_settings
from tests.helpers.forked import fork_trainings
from tests.helpers.page_elements import address, widget
from tests.helpers.paths import ROOT
from ui.panels.lessons import LESSONS
from ui.services import trainings
from ui.services.training_process import FINISHED, RUNNING, TrainingProcess
from ui.state import link
from ui.state.watch import RANGES, WatchChoice

pytestmark = pytest.mark.slow
SECONDS = 240
PAGE = ROOT / "ui" / "pages" / "watch.py"
SMALL = {"layers": "1", "heads": "2", "width": "8", "steps": "40", "seed": "5"}


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """A recording of one task alone, in the place of those that are shipped; the folders of trainings are deleted.

    Trainings start as forks; those of tests/e2e start as the server starts them.
    """
    fork_trainings(monkeypatch)
    folder = tmp_path / "shipped"
    settings = change_settings(TASKS["previous"].settings, n_layers=1, n_heads=3, d_model=12, steps=3)
    recorder = Recorder(Training(TASKS["previous"], settings), "a b c d")
    (folder / "previous").mkdir(parents=True)
    Recording.of("previous", "a b c d", 3, [recorder.frame()]).save(folder / "previous" / "recording.npz")
    monkeypatch.setattr("models.checkpoints.bundled.TRAINED", folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield folder
    shutil.rmtree(tmp_path, ignore_errors=True)


def run(**parameters: str) -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=SECONDS)
    app.query_params.update(parameters)
    app.run()
    assert not app.exception
    return app


def messages(app: AppTest) -> list[str]:
    return [element.value.replace("\\", "") for element in (*app.warning, *app.error, *app.info)]


def titles(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown if element.value.startswith("## ")]


def buttons(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def pictures(app: AppTest) -> int:
    drawn = [element.proto.component_name for element in app.get("bidi_component")]
    return sum(name in ("headlight_training", "headlight_frames") for name in drawn)


def until(app: AppTest, condition) -> None:
    """Look at the page again and again, as its timer does, until it has come to a state."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, (titles(app), messages(app), buttons(app))
        time.sleep(0.2)
        app.run()
        assert not app.exception


def test_opens_on_a_recording_with_the_lesson():
    app = run()
    assert titles(app) == ["## Recorded: The letter before"]
    assert pictures(app) == 2
    assert buttons(app) == ["Start training"]
    text = " ".join(element.value for element in app.markdown)
    assert TASKS["previous"].rule in text
    assert TASKS["previous"].looks in text
    assert "arxiv.org/abs/1706.03762" in " ".join(caption.value for caption in app.caption)
    assert address(app)["task"] == "previous"
    assert messages(app) == []


def test_every_task_has_a_lesson_and_settings_that_the_page_can_show():
    assert set(LESSONS) == set(TASKS)
    for task in TASKS:
        choice = link.standard(WatchChoice, task=task)
        assert choice.to_request().settings == TASKS[task].settings
        assert link.parse(WatchChoice, link.format(choice)) == (choice, [])
        for name, (low, high) in RANGES.items():
            assert low <= getattr(choice, name) <= high


def test_without_a_recording_it_offers_to_train():
    app = run(task="sorting")
    assert messages(app) == ["There is no recording of this task here: press Start training, and watch it as it goes."]
    assert pictures(app) == 0
    assert "Start training" in buttons(app)


def test_a_damaged_recording_is_one_sentence(shipped):
    (shipped / "sorting").mkdir()
    (shipped / "sorting" / "recording.npz").write_bytes(b"no archive")
    app = run(task="sorting")
    assert messages(app) == ["recording.npz is not a recording of a training: record it again."]
    assert "Start training" in buttons(app)


def test_what_is_typed_and_started_at_once_is_what_is_trained():
    app = run(task="previous", text="a b a", **SMALL)
    widget(app, "watch text").set_value("h e a d")
    widget(app, "watch seed").set_value(7)
    app.button(key="watch start").click().run()
    own = trainings.trainings().of(app.session_state["visitor"])
    assert (own.request.text, own.request.settings.seed) == ("h e a d", 7)
    app.button(key="watch stop").click().run()


def test_started_finished_taken_away_and_back():
    app = run(task="previous", text="a b a", **SMALL)
    app.button(key="watch start").click().run()
    assert {"Stop", "Back to the recording"} <= set(buttons(app))
    assert titles(app)[0].startswith("## Recorded: The letter before. Your training starts")
    until(app, lambda: titles(app) == ["## Your training: The letter before, seed 5, finished"])
    assert pictures(app) == 2
    assert "Start again" in buttons(app)
    data = app.session_state["watch sent"]
    assert data[1] == 40
    assert [element.label for element in app.get("download_button")] == ["Download the trained model"]
    app.button(key="watch back").click().run()
    assert titles(app) == ["## Recorded: The letter before"]
    app.button(key="watch own").click().run()
    assert titles(app) == ["## Your training: The letter before, seed 5, finished"]
    assert app.session_state["watch sent"] == data


def test_a_training_that_ends_while_the_page_is_drawn(monkeypatch):
    app = run(task="previous", text="a b a", **SMALL)
    app.button(key="watch start").click().run()
    until(app, lambda: titles(app) == ["## Your training: The letter before, seed 5, finished"])
    for reads_before_the_end in range(20):
        left = [reads_before_the_end]

        def status(training, left=left) -> str:
            left[0] -= 1
            return RUNNING if left[0] >= 0 else FINISHED

        monkeypatch.setattr(TrainingProcess, "status", property(status))
        app.run()
        finished = titles(app)[0].endswith("finished")
        assert ("Start again" in buttons(app)) == finished, reads_before_the_end
        assert ("Stop" in buttons(app)) != finished, reads_before_the_end
        assert bool(app.get("download_button")) == finished, reads_before_the_end
        if not finished:
            return
    raise AssertionError("The page asks for the status more than 20 times.")


def test_stopped_and_resumed():
    app = run(task="previous", **{**SMALL, "steps": "5000"})
    app.button(key="watch start").click().run()
    until(app, lambda: titles(app) == ["## Your training: The letter before, seed 5, running"])
    app.button(key="watch stop").click().run()
    until(app, lambda: titles(app) == ["## Your training: The letter before, seed 5, stopped"])
    step = app.session_state["watch sent"][1]
    app.button(key="watch resume").click().run()
    until(app, lambda: app.session_state["watch sent"][1] > step)
    # Another task lets it rest, and leads back to it.
    widget(app, "watch task").set_value("brackets").run()
    assert "To your training: The letter before" in buttons(app)
    app.button(key="watch own").click().run()
    until(app, lambda: titles(app) == ["## Your training: The letter before, seed 5, stopped"])


def test_all_places_taken_is_one_sentence(monkeypatch):
    monkeypatch.setenv("HEADLIGHT_TRAININGS", "0")
    app = run()
    app.button(key="watch start").click().run()
    assert messages(app) == ["This server starts no trainings (HEADLIGHT_TRAININGS=0): watch the recorded ones."]
    assert titles(app) == ["## Recorded: The letter before"]
    app.run()
    assert messages(app) == []


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"task": "juggling"}, "The link's task is ignored: 'juggling' is none of previous, reversal"),
        ({"layers": "99"}, "The link's layers is ignored: '99' is no number from 1 to 6."),
        ({"seed": "-1"}, "The link's seed is ignored: '-1' is no number from 0 to 4,294,967,295."),
        ({"rate": "nan"}, "The link's rate is ignored: 'nan' is no learning rate from 1e-05 to 0.1."),
        ({"positions": "<b>"}, "The link's positions is ignored: '<b>' is none of sinusoidal, learned, rotary."),
        ({"norm": "none"}, "The link's norm is ignored: 'none' is none of pre, post."),
        (
            {"text": "a " * 300},
            "The link's text is ignored: it has 600 characters, too many for a link: the limit is 400.",
        ),
    ],
)
def test_what_is_wrong_in_a_link_is_one_sentence(parameters, sentence):
    said = messages(run(**parameters))
    assert len(said) == 1
    assert sentence in said[0]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"text": "a b 7"}, "This is not a text of the task 'The letter before': try 'h e a d l i g h t'."),
        ({"heads": "5"}, "5 heads do not divide a width of 64: choose 1, 2, 4, 8, 16 or 32 heads"),
        ({"task": "digits", "text": "360"}, "There is no picture '360' to watch: give a number from 0 to 359."),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(parameters, sentence):
    app = run(**parameters)
    app.button(key="watch start").click().run()
    assert any(sentence in message for message in messages(app)), messages(app)
    assert "Stop" not in buttons(app)


def test_the_address_has_what_differs_from_the_task_s_own():
    app = run(seed="7", norm="post")
    parameters = {name: address(app)[name] for name in ("task", "seed", "norm")}
    assert {name: value if isinstance(value, str) else value[0] for name, value in parameters.items()} == {
        "task": "previous",
        "seed": "7",
        "norm": "post",
    }
    widget(app, "watch task").set_value("recall").run()
    assert set(address(app)) == {"task"}
    assert widget(app, "watch text").value == TASKS["recall"].examples[0]
