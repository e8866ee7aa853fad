"""What a visitor chose on the page "Watch it train": restored from the address and written back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from models.scratch.networks import POSITIONS
from models.scratch.tasks import TASKS
from ui.services.settings import MOST_CHARACTERS_IN_LINK
from ui.services.trainings import LONGEST_TEXT, TrainingRequest, make_request
from ui.state.page_state import Address, read_link

DEFAULT_TASK = "previous"
NORMS = ("pre", "post")
_ONE_OF = {"task": tuple(TASKS), "positions": POSITIONS, "norm": NORMS}
# What a page of this size can show, and a small server train while somebody waits.
RANGES = {
    "seed": (0, 2**32 - 1),
    "layers": (1, 6),
    "heads": (1, 8),
    "width": (8, 128),
    "steps": (20, 10_000),
}
RATES = (1e-5, 0.1)


@dataclass(frozen=True)
class WatchChoice:
    """The state of the page. Every field is a URL parameter of the same name, and with "watch " before it a key."""

    task: str
    text: str
    seed: int
    layers: int
    heads: int
    width: int
    steps: int
    rate: float
    positions: str
    norm: str

    def order(self) -> TrainingRequest:
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


NAMES = tuple(field.name for field in fields(WatchChoice))


def standard(task: str) -> WatchChoice:
    """Return the choice with which a task is shown first: its own settings and its first example."""
    settings = TASKS[task].settings
    return WatchChoice(
        task,
        TASKS[task].examples[0] if TASKS[task].examples else "0",
        settings.seed,
        settings.n_layers,
        settings.n_heads,
        settings.d_model,
        settings.steps,
        settings.learning_rate,
        settings.positions,
        "pre" if settings.norm_first else "post",
    )


def from_link(parameters: Mapping[str, str]) -> tuple[WatchChoice, list[str]]:
    """Return the choice that a link describes, and one sentence for each parameter that is ignored."""
    task = parameters.get("task", DEFAULT_TASK)
    return read_link(standard(task if task in TASKS else DEFAULT_TASK), parameters, _parsed)


def _parsed(name: str, value: str, _: WatchChoice) -> Any:
    if name in RANGES:
        low, high = RANGES[name]
        if not (value.isascii() and value.isdigit() and len(value) < 12 and low <= int(value) <= high):
            raise ValueError(f"{value[:40]!r} is no number from {low:,} to {high:,}")
        return int(value)
    if name == "rate":
        try:
            rate = float(value) if len(value) < 20 else float("nan")
        except ValueError:
            rate = float("nan")
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"{value[:40]!r} is no learning rate from {RATES[0]:g} to {RATES[1]:g}")
        return rate
    if name in _ONE_OF:
        among = _ONE_OF[name]
        if value not in among:
            raise ValueError(f"{value[:40]!r} is none of {', '.join(among)}")
    elif len(value) > LONGEST_TEXT:
        raise ValueError(f"it has {len(value):,} characters, and {LONGEST_TEXT} are the most")
    return value


def to_link(choice: WatchChoice) -> dict[str, str]:
    """Return the parameters of a link that restores a choice: the task, and what differs from its own settings."""
    own = standard(choice.task)
    parameters = {"task": choice.task}
    for name in NAMES[1:]:
        value = getattr(choice, name)
        if value != getattr(own, name):
            parameters[name] = f"{value:g}" if isinstance(value, float) else str(value)
    return {name: value for name, value in parameters.items() if len(value) <= MOST_CHARACTERS_IN_LINK}


ADDRESS = Address(
    "watch", "watch ", WatchChoice, ("text",), _parsed, from_link, to_link, lambda choice: (choice.task, choice.text)
)
held = ADDRESS.held


def begin(task: str) -> None:
    """Choose a task with its own settings."""
    ADDRESS.choose(**vars(standard(task)))
