"""A training as bytes for viz/browser/training: the scene, which is the same for all frames, and the frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

import numpy as np

from analysis.recording import LEVELS, WATCHED, Frame, Recording
from analysis.truth import SOLVES, count_chance_hits
from models.scratch.tasks import Task, task_named
from models.scratch.tasks.digits import SIDE, unseen_picture
from models.scratch.tasks.task import END, START
from viz import colours, style
from viz.colours import TRUTH
from viz.wire.packing import pack

# Bytes of the maps in one update of a running training. Above this, frames are left out, so scrubbing is a little
# coarser there.
MOST_IN_UPDATE = 120_000
# Bytes of the maps of a whole recording, which is sent once.
MOST_AT_ONCE = 900_000
# The weight of the darkest colour in a picture, where a query attends to many patches, a little to each.
_DARKEST_PATCH = 0.5


class _Name(NamedTuple):
    """The label of a row or column; `special` tokens were added by the tokenizer."""

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


def scene(task: Task, text: str, n_key: int) -> dict[str, Any]:
    """Return what the picture of a task over a text shows besides the maps, which have `n_key` columns.

    `queries` and `keys` are [label, special], in the order of the maps' rows and columns. `truth` lists the true cells
    as [row, key]. `chance` is the truth score of a head whose strongest key is random, None if no truth is known.
    """
    about = {"title": task.title, "solves": SOLVES, "chance": chance_level(task.name), "darkest": 1.0}
    if not task.has_truth:
        return about | _picture(int(text or 0), n_key)
    solution = task.solve(text)
    assert solution is not None, text
    pieces = [_Name(piece, False) for piece in task.pieces(text)]
    start, end = _Name(START, True), _Name(END, True)
    if task.kind == "cross":
        keys = [*pieces, end]
        queries = [start, *(_Name(answer, False) for answer in solution.answers[:-1])]
    else:
        queries = keys = [start, *pieces] if task.kind == "decoder" else [start, *pieces, end]
    rows = task.watched_queries(text)
    about |= {
        "form": "maps",
        "queries": [queries[row] for row in rows],
        "keys": keys,
        "truth": [[index, key] for index, row in enumerate(rows) for key in sorted(solution.truth[row])],
    }
    if all(piece.text.isdecimal() for piece in pieces):
        values = [None if key.special else float(key.text) for key in keys]
        # The answer at a position is the value of the next position.
        clean = [None, *(float(answer) if answer else None for answer in solution.answers[:-1])]
        about |= {"form": "signal", "signal": values, "clean": clean}
    return about


def _picture(number: int, n_key: int) -> dict[str, Any]:
    """Return the scene of a picture that the model reads as patches; the class token is the only query."""
    across = math.isqrt(n_key - 1)
    patches = [_Name(f"row {patch // across}, column {patch % across}", False) for patch in range(n_key - 1)]
    own = _Name("the class token", True)
    return {
        "form": "picture",
        "darkest": _DARKEST_PATCH,
        "side": SIDE,
        "picture": unseen_picture(number).flatten().tolist(),
        "queries": [own],
        "keys": [own, *patches],
        "truth": [],
    }


@cache
def chance_level(name: str) -> float | None:
    """Return the truth score of a head whose strongest key is random, over the texts from which frames are scored."""
    task = task_named(name)
    if not task.has_truth:
        return None
    by_chance, n_asked = 0.0, 0
    for text, solution in task.samples(Random("watched"), WATCHED, held_out=True):
        n_key = len(task.pieces(text)) + 1 if task.kind == "cross" else len(solution.truth)
        truth = solution.mask(n_key)
        by_chance += count_chance_hits(truth, causal=task.kind == "decoder")
        n_asked += int(truth.any(1).sum())
    return by_chance / n_asked


def pack_scene(about: dict[str, Any], *, key: str, steps: int) -> bytes:
    """Return the scene of the training named `key`, which ends after `steps` steps, with the colours, as bytes."""
    header = about | {"key": key, "steps": steps, "outline": TRUTH, "levels": LEVELS, "style": style.head_style()}
    return pack(header, {"light": colours.table("blues"), "dark": colours.table("night")})


def pack_frames(frames: Sequence[Frame], *, key: str, after: int = -1, live: bool = False) -> bytes:
    """Return the frames after the step `after` as bytes, with at most `MOST_IN_UPDATE` bytes of maps.

    The limit is `MOST_AT_ONCE` if the browser has no frame yet.

    Args:
        frames: all frames of the training, oldest first.
        key: the training's name. The browser joins the frames of one name.
        after: the step of the last frame that the browser has, -1 if it has none.
        live: whether more frames will follow.
    """
    new = [frame for frame in frames if frame.step > after]
    new = thin_frames(new, MOST_AT_ONCE if after < 0 else MOST_IN_UPDATE)
    shape = list(frames[0].maps.shape) if frames else []
    arrays: dict[str, np.ndarray] = {
        "step": np.array([frame.step for frame in new], dtype=np.float32),
        "loss": np.array([frame.loss for frame in new], dtype=np.float32),
        "accuracy": np.array([frame.accuracy for frame in new], dtype=np.float32),
        "scores": np.array([frame.scores for frame in new], dtype=np.float32),
        "maps": np.array([frame.maps for frame in new], dtype=np.uint8),
    }
    return pack({"key": key, "after": after, "live": live, "shape": shape}, arrays)


def thin_frames(frames: Sequence[Frame], most_bytes: int) -> list[Frame]:
    """Return frames at even distances, the last one among them, with at most `most_bytes` bytes of maps."""
    if not frames:
        return []
    stride = max(1, math.ceil(len(frames) * frames[0].maps.nbytes / most_bytes))
    return list(frames[::-1][::stride][::-1])
