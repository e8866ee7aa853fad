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
from models.one_sentence import OneSentenceParser
from models.package import module_name
from models.scratch.tasks import TASKS, task_named
from models.scratch.tasks.settings import POSITIONS
from models.scratch.training import CHECKPOINT, change_settings, make_folder, start_or_resume

# A killed training loses at most the steps of this time.
CHECKPOINT_SECONDS = 5.0


def parser(program: str | None = None) -> argparse.ArgumentParser:
    """Return the command line; `program` is what a user types before the task."""
    command = OneSentenceParser(
        prog=program or f"python -m {module_name('models.train')}",
        description="Train a small transformer with known right answers, and save it as a model. Options that are left "
        "out have the task's own values.",
    )
    command.add_argument("task", metavar="TASK", help=", ".join(TASKS))
    command.add_argument("--out", type=Path, help="the model's folder (default: trained/TASK)")
    settings_arguments(command)
    return command


def settings_arguments(command: argparse.ArgumentParser) -> None:
    """Add the settings of a training, whose default values are the task's own."""
    for option, kind, name, text in (
        ("--seed", int, "seed", "the same seed makes the same weights"),
        ("--steps", int, "steps", "steps of the training"),
        ("--batch-size", int, "batch_size", "samples in a step"),
        ("--learning-rate", float, "learning_rate", "the highest one, after a tenth of the steps"),
        ("--layers", int, "n_layers", "layers of the network"),
        ("--heads", int, "n_heads", "heads of each layer"),
        ("--width", int, "d_model", "width of the network"),
        ("--feedforward", int, "d_feedforward", "width of the feed-forward networks"),
        ("--positions", str, "positions", f"how positions are encoded: {', '.join(POSITIONS)}"),
        ("--dropout", float, "dropout", "share of the values that a training step sets to 0"),
    ):
        command.add_argument(option, type=kind, dest=name, metavar=option[2:].split("-")[-1].upper(), help=text)
    command.add_argument(
        "--post-norm",
        action="store_false",
        default=None,
        dest="norm_first",
        help="normalise after each block, as the paper does, not before it",
    )


def main(arguments: list[str] | None = None, *, program: str | None = None) -> int:
    """Train to the end, resuming an unfinished training in the folder; return the exit code."""
    given = vars(parser(program).parse_args(arguments))
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
        print(f"headlight: {error}", file=sys.stderr)
        return 2
    print(f"{record['unseen_samples_right']:.1%} of unseen samples are right. The model is in {folder}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
