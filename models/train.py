"""`python -m models.train TASK`: train a small transformer with known right answers, and save it as a model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic

import torch
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from models.errors import HeadlightError
from models.scratch.tasks import TASKS, task_named
from models.scratch.tasks.settings import POSITIONS
from models.scratch.training import CHECKPOINT, change_settings, make_folder, start_or_resume

# A killed training loses at most the steps of this time.
CHECKPOINT_SECONDS = 5.0


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    command = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    command.add_argument("task", metavar="TASK", help=", ".join(TASKS))
    command.add_argument("--out", type=Path, help="the model's folder (default: trained/TASK)")
    settings_arguments(command)
    return command


def settings_arguments(command: argparse.ArgumentParser) -> None:
    """Add the settings of a training, whose default values are the task's own."""
    command.add_argument("--seed", type=int)
    command.add_argument("--steps", type=int)
    command.add_argument("--batch-size", type=int)
    command.add_argument("--learning-rate", type=float)
    command.add_argument("--layers", type=int, dest="n_layers")
    command.add_argument("--heads", type=int, dest="n_heads")
    command.add_argument("--width", type=int, dest="d_model")
    command.add_argument("--feedforward", type=int, dest="d_feedforward")
    command.add_argument("--positions", help=", ".join(POSITIONS))
    command.add_argument("--dropout", type=float)
    command.add_argument("--post-norm", action="store_false", default=None, dest="norm_first")


def main(arguments: list[str] | None = None) -> int:
    """Train to the end, resuming an unfinished training in the folder; return the exit code."""
    given = vars(parser().parse_args(arguments))
    name, out = given.pop("task"), given.pop("out")
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(1)  # reproducible on any number of cores, and small matrices gain nothing from more threads
    try:
        task = task_named(name)
        folder = out or Path("trained") / name
        training = start_or_resume(task, change_settings(task.settings, **given), folder)
        make_folder(folder)
        if training.step:
            print(f"Resuming at step {training.step:,}.", file=sys.stderr)
        saved_at = monotonic()
        with tqdm(total=training.settings.steps, initial=training.step, unit="step", desc=name) as bar:
            while not training.finished:
                loss = training.advance()
                bar.update()
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                if monotonic() - saved_at > CHECKPOINT_SECONDS:
                    training.save_checkpoint(folder)
                    saved_at = monotonic()
        record = training.save(folder)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    except HeadlightError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{record['unseen_samples_right']:.1%} of unseen samples are right. The model is in {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
