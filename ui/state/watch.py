"""What a visitor chose on the page "Watch it train"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from models.scratch.networks import POSITIONS
from models.scratch.tasks import TASKS
from ui.services.training_requests import LONGEST_TEXT, TrainingRequest, make_request
from ui.state import link
from ui.state.kinds import number, one_of, string, whole_number
from ui.state.link import param
from ui.state.page_state import PageState

NORMS = ("pre", "post")
# Sizes that the page can show and that a small server trains while the visitor waits.
RANGES = {
    "seed": (0, 2**32 - 1),
    "layers": (1, 6),
    "heads": (1, 8),
    "width": (8, 128),
    "steps": (20, 10_000),
}
RATES = (1e-5, 0.1)


def _setting(name: str) -> Callable[[Any], Any]:
    """Return the function that finds a setting of the chosen task: the default of a field."""
    return lambda earlier: getattr(TASKS[earlier.task].settings, name)


def _first_example(earlier: Any) -> str:
    examples = TASKS[earlier.task].examples
    return examples[0] if examples else "0"


@dataclass(frozen=True, kw_only=True)
class WatchChoice:
    """The choices of the page; by default the settings of the task and its first example."""

    task: str = param("previous", one_of(*TASKS), always_in_link=True, adds_history=True)
    text: str = param(_first_example, string(LONGEST_TEXT), free=True, adds_history=True)
    seed: int = param(_setting("seed"), whole_number(*RANGES["seed"]))
    layers: int = param(_setting("n_layers"), whole_number(*RANGES["layers"]))
    heads: int = param(_setting("n_heads"), whole_number(*RANGES["heads"]))
    width: int = param(_setting("d_model"), whole_number(*RANGES["width"]))
    steps: int = param(_setting("steps"), whole_number(*RANGES["steps"]))
    rate: float = param(_setting("learning_rate"), number(*RATES, noun="learning rate"))
    positions: str = param(_setting("positions"), one_of(*POSITIONS))
    norm: str = param(lambda earlier: "pre" if TASKS[earlier.task].settings.norm_first else "post", one_of(*NORMS))

    def to_request(self) -> TrainingRequest:
        """Return what is to be trained.

        Raises:
            HeadlightError: the settings make no network, or the task cannot read the text, in one sentence.
        """
        return make_request(
            self.task,
            self.text,
            seed=self.seed,
            n_layers=self.layers,
            n_heads=self.heads,
            d_model=self.width,
            d_feedforward=4 * self.width,
            steps=self.steps,
            learning_rate=self.rate,
            positions=self.positions,
            norm_first=self.norm == "pre",
        )


WATCH = PageState("watch", "watch ", WatchChoice, partial(link.parse, WatchChoice))


def choose_task(task: str) -> None:
    """Choose a task with its own settings."""
    WATCH.update(**vars(link.standard(WatchChoice, task=task)))
