"""What a visitor wants to train, and the command that trains it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.recording import EVERY
from models.errors import NoText
from models.package import module_name, run_module
from models.scratch.tasks import Settings, task_named
from models.scratch.training import change_settings

MOST_FRAMES = 400
LONGEST_TEXT = 400


@dataclass(frozen=True)
class TrainingRequest:
    """A task, its settings, and the text whose attention is recorded while it trains."""

    task: str
    text: str
    settings: Settings

    @property
    def every(self) -> int:
        """Steps between two frames: short trainings still give 20 frames, long ones at most MOST_FRAMES."""
        steps = self.settings.steps
        return max(1, min(EVERY, steps // 20), -(-steps // MOST_FRAMES))

    def command(self, folder: Path) -> list[str]:
        """Return the command that trains in a folder, or resumes from the checkpoint there."""
        settings = self.settings
        return [
            *run_module(module_name("analysis.recording")),
            *(self.task, "--out", str(folder), "--while-input-is-open"),
            *(f"--text={self.text}", f"--every={self.every}", f"--seed={settings.seed}", f"--steps={settings.steps}"),
            *(f"--batch-size={settings.batch_size}", f"--learning-rate={settings.learning_rate!r}"),
            *(f"--layers={settings.n_layers}", f"--heads={settings.n_heads}", f"--width={settings.d_model}"),
            *(f"--feedforward={settings.d_feedforward}", f"--positions={settings.positions}"),
            f"--dropout={settings.dropout!r}",
            *([] if settings.norm_first else ["--post-norm"]),
        ]


def make_request(name: str, text: str, **values: object) -> TrainingRequest:
    """Return a request that can be trained; `values` replace the task's own settings.

    Raises:
        HeadlightError: no network has these settings, or the task cannot read the text, in one sentence.
    """
    task = task_named(name)
    settings = change_settings(task.settings, **values)
    if len(text) > LONGEST_TEXT:
        raise NoText(f"The text has {len(text):,} characters: choose one of {LONGEST_TEXT} at most.")
    task.watched_batch(text)
    return TrainingRequest(name, text, settings)
