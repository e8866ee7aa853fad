"""A training as bytes for viz/browser/training.js: what stays the same from frame to frame, and frames as they come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

import numpy as np

from analysis.recording import WATCHED, Frame, Recording
from analysis.truth import SOLVES, chance
from models.tasks import Task, task_named
from models.tasks.digits import SIDE, picture
from models.tasks.task import END, START
from viz import colours
from viz.grid import SELECTED
from viz.packing import pack

# Bytes of one update while a training runs; what is more is thinned, and scrubbing is a little coarser there.
MOST_IN_UPDATE = 120_000
# Bytes of a whole recording, which is sent once.
MOST_AT_ONCE = 900_000
# The weight of the darkest colour where a query looks at many patches at once, each a little.
_DARKEST_PATCH = 0.15
# Every n-th of them is not trained on (models.tasks.digits), so that a number names a picture that is new.
_PICTURES_APART = 5


class _Name(NamedTuple):
    """What a row or a column is called, and whether the model's own reader added it."""

    text: str
    special: bool


def frames_of(recording: Recording) -> list[Frame]:
    """Return the frames of a recording, oldest first."""
    return [
        Frame(int(step), float(loss), float(accuracy), scores, maps)
        for step, loss, accuracy, scores, maps in zip(
            recording.step, recording.loss, recording.accuracy, recording.scores, recording.maps, strict=True
        )
    ]


def scene(task: Task, text: str) -> dict[str, Any]:
    """Return what a picture of a task over a text shows beside the maps.

    `queries` and `keys` are [name, special], in the order of the maps' rows and columns; `truth` the right cells as
    [row, key]; `chance` the truth score of a head that looks anywhere, None where no truth is known.
    """
    about: dict[str, Any] = {
        "title": task.title,
        "solves": SOLVES,
        "chance": chance_level(task.name),
        "darkest": 1.0,
        "form": "maps",
        "truth": [],
    }
    if not task.has_truth:
        number = int(text or 0)
        patches = [[f"row {place // SIDE}, column {place % SIDE}", False] for place in range(SIDE * SIDE)]
        return about | {
            "form": "picture",
            "darkest": _DARKEST_PATCH,
            "side": SIDE,
            "picture": picture(_PICTURES_APART * number).flatten().tolist(),
            "queries": [["the class token", True]],
            "keys": [["the class token", True], *patches],
        }
    solution = task.solve(text)
    assert solution is not None, text
    pieces = [_Name(piece, False) for piece in task.pieces(text)]
    start, end = _Name(START, True), _Name(END, True)
    if task.kind == "cross":
        keys = [*pieces, end]
        queries = [start, *(_Name(answer, False) for answer in solution.answers[:-1])]
    else:
        queries = keys = [start, *pieces, end]
    rows = task.watched_queries(text)
    about |= {
        "queries": [queries[row] for row in rows],
        "keys": keys,
        "truth": [[place, key] for place, row in enumerate(rows) for key in sorted(solution.truth[row])],
    }
    if task.name == "series":
        known = [float(key.text) if key.text.isdigit() else None for key in keys]
        expected = [float(answer) if answer else None for answer in solution.answers]
        about |= {"form": "signal", "signal": known, "expected": expected, "places": rows}
    return about


@cache
def chance_level(name: str) -> float | None:
    """Return the truth score that a head reaches which looks anywhere, over the texts that frames are scored on."""
    task = task_named(name)
    if not task.has_truth:
        return None
    by_chance, n_asked = 0.0, 0
    for text, solution in task.samples(Random("watched"), WATCHED, held_out=True):
        n_key = len(task.pieces(text)) + 1 if task.kind == "cross" else len(solution.truth)
        truth = solution.mask(n_key)
        by_chance += chance(truth, causal=task.kind == "decoder")
        n_asked += int(truth.any(1).sum())
    return by_chance / n_asked


def pack_frames(
    about: dict[str, Any], frames: Sequence[Frame], *, key: str, steps: int, after: int = -1, live: bool = False
) -> bytes:
    """Return frames later than the step `after` as bytes, at most `MOST_IN_UPDATE` (`MOST_AT_ONCE` from the start).

    Args:
        about: the scene.
        frames: all frames there are, oldest first.
        key: the training's name; frames of one name come together in the browser.
        steps: where the training ends.
        after: the step of the last frame that the browser has, -1 if it has none.
        live: whether more will come.
    """
    new = [frame for frame in frames if frame.step > after]
    new = thinned(new, MOST_AT_ONCE if after < 0 else MOST_IN_UPDATE)
    shape = list(new[0].maps.shape) if new else []
    header = about | {"key": key, "steps": steps, "after": after, "live": live, "shape": shape, "outline": SELECTED}
    arrays: dict[str, np.ndarray] = {
        "step": np.array([frame.step for frame in new], dtype=np.float32),
        "loss": np.array([frame.loss for frame in new], dtype=np.float32),
        "accuracy": np.array([frame.accuracy for frame in new], dtype=np.float32),
        "scores": np.array([frame.scores for frame in new], dtype=np.float32),
        "maps": np.array([frame.maps for frame in new], dtype=np.uint8),
        "light": colours.table("blues"),
        "dark": colours.table("night"),
    }
    return pack(header, arrays)


def thinned(frames: Sequence[Frame], most_bytes: int) -> list[Frame]:
    """Return frames at even distances that have so many bytes of maps at most, with the last one."""
    if not frames:
        return []
    stride = max(1, math.ceil(len(frames) * frames[0].maps.nbytes / most_bytes))
    return list(frames[::-1][::stride][::-1])
