"""Whether the heads of a trained task matter: how often the whole model is right without each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from analysis.truth import SAMPLES, task_of
from models import Model
from models.capture.ablation import Ablation, Change
from models.capture.forward import role_of
from models.capture.interface import recording
from models.capture.turns import TURNS
from models.scratch.tasks import Task
from models.scratch.tasks.digits import Digits
from models.scratch.tasks.task import NOT_ASKED, Batch

# Kind, layer and number of a head, and how it is changed (models/capture/ablation.py).
Heads = Mapping[tuple[str, int, int], str]
NO_HEADS: Heads = {}


@dataclass(frozen=True)
class TaskEffects:
    """What a model that was trained on a task loses without each head of a kind, over the same unseen texts.

    `accuracy` is the share of the texts that the untouched model answers correctly, and `lost[layer, head]` how much
    smaller the share is if that head is changed: negative if the model is right more often then.
    """

    kind: str
    accuracy: float
    lost: Float[np.ndarray, "layer head"]
    n_samples: int


def task_effects(
    model: Model,
    n_samples: int = SAMPLES,
    how: str = "zero",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> TaskEffects | None:
    """Return what the model's task loses without each head; None if it was not trained on a task of models/scratch.

    The heads are those of the kind of attention that the task's truth is about. `progress(done, total)` counts heads;
    an exception of it ends the work.
    """
    task = task_of(model)
    if task is None:
        return None
    kind = task.kind if task.kind in model.card.kinds else model.card.kinds[0]
    n_layers, n_heads = model.card.sizes[kind]
    batch = task.draw(Random("truth"), n_samples, held_out=True)
    untouched = share_right(model, task, batch)
    lost = np.zeros((n_layers, n_heads))
    for layer, head in np.ndindex(n_layers, n_heads):
        if progress is not None:
            progress(layer * n_heads + head, lost.size)
        lost[layer, head] = untouched - share_right(model, task, batch, {(kind, layer, head): how})
    return TaskEffects(kind, untouched, lost, len(batch["labels"]))


def share_right(model: Model, task: Task, batch: Batch, heads: Heads = NO_HEADS) -> float:
    """Return the share of a batch that a model with changed heads answers correctly."""
    return float(_judge(model, task, batch, heads).double().mean())


def changed_answer(
    model: Model, task: Task, text: str, heads: Heads, masked: tuple[int, ...] = ()
) -> tuple[str, ...] | None:
    """Return a changed model's answer at each position that has one, "" elsewhere; None if the text is not valid.

    `masked` are positions that no other token may attend to. A decoder reads what it writes with the changes.
    """
    solution = task.solve(text)
    if solution is None:
        return None
    if task.kind == "cross":
        batch = task.batch([(text, solution)])
        return tuple(task.labels[number] for number in _write(model, task, batch, heads, masked)[0].tolist())
    with _changed(model, task.batch([(text, solution)]), heads, masked):
        return task.answer(model.module, text)


def changed_digit(
    model: Model, task: Digits, picture: UInt8[np.ndarray, "row column 3"], heads: Heads
) -> tuple[str, Float[np.ndarray, " label"]]:
    """Return the digit that a changed model sees in a picture, and the probabilities of all ten."""
    with _changed(model, {"labels": torch.zeros(1)}, heads):
        return task.classify(model.module, picture)


def _judge(model: Model, task: Task, batch: Batch, heads: Heads) -> Bool[Tensor, " row"]:
    with _changed(model, batch, heads):
        if task.kind != "cross":
            return task.judge(model.module, batch)
        # A decoder that reads its own tokens writes the right text if and only if it is right after each right token,
        # which one pass tells.
        found, labels = task.outputs(model.module, batch).argmax(-1), batch["labels"]
        return ((found == labels) | (labels == NOT_ASKED)).all(-1)


def _write(
    model: Model, task: Task, batch: Batch, heads: Heads, masked: tuple[int, ...]
) -> Int[Tensor, "row position"]:
    """Return the tokens that the decoder writes, greedily, one for each label.

    Each step is a whole pass: with a cache, a pass has one query, and a mean or a pattern needs those before it.
    """
    read = batch["decoder_input_ids"][:, :1]
    for _ in range(batch["labels"].shape[1]):
        step = {**batch, "decoder_input_ids": read}
        with _changed(model, step, heads, masked):
            best = task.outputs(model.module, step)[:, -1].argmax(-1)
        read = torch.cat([read, best[:, None]], dim=1)
    return read[:, 1:]


@contextmanager
def _changed(model: Model, batch: Batch, heads: Heads, masked: tuple[int, ...] = ()) -> Iterator[None]:
    """Change heads and tokens in the one pass inside, in its turn among the passes of other threads."""
    of_two_sides = bool(model.module.config.is_encoder_decoder)
    changed = {(kind if of_two_sides else "self", layer, head): how for (kind, layer, head), how in heads.items()}
    causal = {kind if of_two_sides else "self" for kind in model.card.kinds if kind in ("decoder", "cross")}
    rows = [Change(changed, masked, lengths) for lengths in _lengths(batch)]
    intervention = Ablation(rows, frozenset(causal)) if changed or masked else None
    with (
        TURNS.turn(0.0),
        torch.inference_mode(),
        recording(intervention=intervention, role_of=partial(role_of, model.module), keeps=False),
    ):
        yield


def _lengths(batch: Batch) -> list[dict[str, int] | None]:
    """Return for each row how many of its queries are not padding; None for pictures, which have none."""
    if "attention_mask" not in batch:
        return [None] * len(batch["labels"])
    n_tokens = batch["attention_mask"].sum(1).tolist()
    n_written = batch["decoder_input_ids"].shape[1] if "decoder_input_ids" in batch else 0
    return [{"self": n, "encoder": n, "decoder": n_written, "cross": n_written} for n in n_tokens]
