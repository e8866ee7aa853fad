"""One training, a step at a time: the same seed gives the same weights to the bit, also if it was killed and resumed.

All random numbers of step n depend only on the seed and n, so a checkpoint is the weights, the optimiser's moments and
n. Arithmetic is equal only with an equal number of threads: `python -m models.train` uses one.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from models.disk import whole_files
from models.errors import BadSettings, BadTraining, UnknownModel
from models.scratch.tasks import Settings, Task, task_named
from models.scratch.tasks.task import Batch

log = logging.getLogger("headlight.models")

CHECKPOINT = "checkpoint.safetensors"
RECORD = "training.json"
# A folder without this file is not a model, so it is written last.
CONFIG = "config.json"
WARM_UP = 0.1
LARGEST_GRADIENT = 1.0
# The unseen samples from which the accuracy of a finished training is computed.
N_JUDGED = 1000
_MOMENTS = ("exp_avg", "exp_avg_sq")
_generator = threading.RLock()


class Training:
    """The training of a network for a task: `advance()` takes one step and returns its loss."""

    def __init__(self, task: Task, settings: Settings | None = None) -> None:
        self.task = task
        self.settings = settings or task.settings
        self.step = 0
        with _randomness(self.settings.seed, 0):
            self.network: PreTrainedModel = task.network(self.settings)
        self.network.train()
        self._optimiser = torch.optim.AdamW(self.network.parameters(), lr=0.0, weight_decay=0.01)

    @property
    def finished(self) -> bool:
        """Whether all steps are taken."""
        return self.step >= self.settings.steps

    def advance(self) -> float:
        """Take one step and return its loss.

        Raises:
            BadTraining: the loss or its gradient is not finite.
        """
        settings = self.settings
        for group in self._optimiser.param_groups:
            group["lr"] = settings.learning_rate * learning_rate(self.step / settings.steps)
        batch = self.task.draw(Random(f"{settings.seed} {self.step}"), settings.batch_size)
        with _randomness(settings.seed, self.step + 1):
            loss = self.task.loss(self.network, batch)
        value = float(loss.detach())
        self._check("loss", value)
        self._optimiser.zero_grad()
        loss.backward()
        # A finite loss may have a NaN gradient, which would damage every weight. After the last step no loss shows it.
        self._check("gradient", float(nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)))
        self._optimiser.step()
        self.step += 1
        return value

    def _check(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise BadTraining(
                f"The {what} became {value} at step {self.step:,}: choose a learning rate below "
                f"{self.settings.learning_rate:g}."
            )

    @contextmanager
    def evaluating(self) -> Iterator[PreTrainedModel]:
        """Give the network in eval mode without gradients, and set it back to training mode afterwards."""
        self.network.eval()
        try:
            with torch.no_grad():
                yield self.network
        finally:
            self.network.train()

    def accuracy(self, n_samples: int = N_JUDGED) -> float:
        """Return the share of unseen samples in which every answer is right."""
        with self.evaluating() as network:
            right = self.task.judge(network, _unseen(self.task, n_samples))
        return int(right.sum()) / len(right)

    # --- files -------------------------------------------------------------------------------------------------------

    def save_checkpoint(self, folder: Path) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            CannotWrite: the disk refuses it. An earlier checkpoint is still there.
        """
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": state[name] for name in _MOMENTS}
        about = {"task": self.task.name, "settings": json.dumps(asdict(self.settings)), "step": str(self.step)}
        with whole_files(folder) as part:
            save_file(
                {name: tensor.contiguous() for name, tensor in tensors.items()}, part / CHECKPOINT, metadata=about
            )

    @classmethod
    def resume(cls, folder: Path) -> Training:
        """Return the training in a folder's checkpoint.

        Raises:
            BadTraining: there is no checkpoint, or it is damaged or from another version.
        """
        path = folder / CHECKPOINT
        try:
            with safe_open(path, framework="pt") as file:
                about = dict(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            training = cls(task_named(about["task"]), Settings(**json.loads(about["settings"])))
            training._take(int(about["step"]), tensors)
        except FileNotFoundError as error:
            raise BadTraining(f"{folder} contains no training to resume: start one first.") from error
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError, UnknownModel) as error:
            log.exception("resuming from %s", path)
            raise BadTraining(f"{path} is not a checkpoint of this version: delete it and train again.") from error
        return training

    def _take(self, step: int, tensors: dict[str, Tensor]) -> None:
        if not 0 <= step <= self.settings.steps:
            raise ValueError(f"step {step} of {self.settings.steps}")
        weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        self.network.load_state_dict(weights)
        state: dict[int, dict[str, Any]] = {}
        for number, parameter in enumerate(self.network.parameters()):
            moments = {name: tensors[f"optimiser.{number}.{name}"] for name in _MOMENTS} if step else {}
            if any(moment.shape != parameter.shape for moment in moments.values()):
                raise ValueError(f"moments of another shape than parameter {number}")
            if moments:
                state[number] = {"step": torch.tensor(float(step)), **moments}
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
        self.step = step

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the network as a model that `load_model` opens, and return the content of its `training.json`.

        If the process is killed meanwhile, the folder contains this model, an earlier one, or none that opens: never
        files of both.

        Raises:
            CannotWrite: the disk refuses it.
        """
        record = {
            "task": self.task.name,
            "settings": asdict(self.settings),
            "steps_taken": self.step,
            "unseen_samples_right": self.accuracy(),
            "torch": torch.__version__,
        }
        with whole_files(folder, last=(RECORD, CONFIG)) as part:
            self.network.save_pretrained(part)
            self.task.save_reader(part)
            (part / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        return record


def make_folder(folder: Path) -> None:
    """Make a training's folder, so that a folder that cannot be written is refused before the training, not after it.

    Raises:
        BadTraining: the folder cannot be made.
        CannotWrite: it exists, and nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadTraining(
            f"The folder {folder} cannot be made ({error.strerror}): choose another folder to train in."
        ) from error
    with whole_files(folder):  # also removes the parts that a killed process left
        pass


def start_or_resume(task: Task, settings: Settings, folder: Path) -> Training:
    """Return the training in a folder, a new one if it contains none.

    Raises:
        BadTraining: the folder contains another task's training or one with other settings.
    """
    if not (folder / CHECKPOINT).exists():
        return Training(task, settings)
    training = Training.resume(folder)
    if training.task.name != task.name or training.settings != settings:
        raise BadTraining(
            f"{folder} contains an unfinished training of {training.task.name!r} with other settings: "
            "resume it with the same settings, or choose another folder."
        )
    return training


def change_settings(settings: Settings, **values: Any) -> Settings:
    """Return settings with the given values instead; None leaves a setting unchanged.

    Raises:
        BadSettings: no network can be built from them.
    """
    given = {name: value for name, value in values.items() if value is not None}
    unknown = set(given) - set(asdict(settings))
    if unknown:
        raise BadSettings(f"There is no setting {', '.join(sorted(unknown))}.")
    return replace(settings, **given)


def learning_rate(progress: float) -> float:
    """Return the share of the highest learning rate: a linear warm-up, then half a cosine down to 0."""
    return min(1.0, (progress + 1e-3) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * progress))


@cache
def _unseen(task: Task, n_samples: int) -> Batch:
    """Return the samples of which the accuracy is computed, always the same: to draw them takes half a second."""
    return task.draw(Random("unseen"), n_samples, held_out=True)


@contextmanager
def _randomness(seed: int, step: int) -> Iterator[None]:
    """Seed torch's generator from `seed` and `step` inside this context, and restore it afterwards.

    All threads share this generator, so parallel trainings take turns. The generators of devices do not change.
    """
    with _generator, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(zlib.crc32(f"{seed} {step}".encode()))
        yield
