"""What a visitor has chosen: one dataclass, restored from the address and written back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import streamlit as st

from analysis.selection import Region, Selection, TokenRef
from models.checkpoints import bundled
from models.checkpoints.locate import REVISION
from models.errors import HeadlightError
from models.scratch.tasks import TASKS
from ui.services.settings import DEFAULT_MODEL, MOST_CHARACTERS_IN_LINK, default_model
from ui.state.page_state import Address, read_link
from viz import DrawOptions
from viz.colours import CONTRASTS, PALETTES

DEFAULT_TEXT = "The cat sat on the mat because it was tired."
AUTOMATIC = "automatic"
# The session's key of whether nobody has asked for a certain layer or head yet.
UNPLACED = "unplaced"
MOST_GENERATED = 64
MOST_PLACES = 9999


@dataclass(frozen=True)
class Choice:
    """The state of the Inspect page. Every field is a URL parameter of the same name, and a widget's key."""

    model: str = DEFAULT_MODEL
    revision: str = ""
    text: str = DEFAULT_TEXT
    pair: str = ""
    target: str = ""
    generate: int = 0
    kind: str = ""
    layer: int = 5
    head: int = 11
    threshold: float = 0.05
    palette: str = AUTOMATIC
    contrast: str = "linear"
    token: str = ""
    region: str = ""
    truth: bool = True

    def selection(self) -> Selection:
        """Return what is shown; it may name more than the text has (`Selection.fit`)."""
        return Selection.parse(self.layer, self.head, token=self.token, region=self.region, kind=self.kind)

    def draw_options(self) -> DrawOptions:
        """Return how pictures are drawn; the automatic palette follows the page's light or dark theme."""
        palette = self.palette
        if palette == AUTOMATIC:
            palette = "night" if st.context.theme.type == "dark" else "blues"
        return DrawOptions(self.threshold, palette, self.contrast, self.truth)


NAMES = tuple(field.name for field in fields(Choice))
_CHOICES = {
    "palette": (AUTOMATIC, *PALETTES),
    "contrast": tuple(CONTRASTS),
    "kind": ("", "encoder", "decoder", "cross"),
    "truth": ("True", "False"),
}
_LONGEST = {"model": 300, "revision": 130}


def from_link(parameters: Mapping[str, str]) -> tuple[Choice, list[str]]:
    """Return the choice that a link describes, and one sentence for each parameter that is ignored."""
    return read_link(Choice(), parameters, _parsed)


def _parsed(name: str, value: str, _: Choice) -> str | int | float | bool:
    if name in ("layer", "head"):
        if not value.isascii() or not value.isdigit() or len(value) > 9 or int(value) > MOST_PLACES:
            raise ValueError(f"{value[:40]!r} is no number from 0 to {MOST_PLACES}")
        return int(value)
    if name == "generate":
        if value not in map(str, range(MOST_GENERATED + 1)):
            raise ValueError(f"{value[:40]!r} is no number of tokens from 0 to {MOST_GENERATED}")
        return int(value)
    if name == "threshold":
        number = float(value) if len(value) < 20 else float("nan")
        if not 0 <= number <= 1:
            raise ValueError(f"{value[:40]!r} is no weight from 0 to 1")
        return number
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{value[:40]!r} is none of {', '.join(filter(None, _CHOICES[name]))}")
    if name == "truth":
        return value == "True"
    for kind, parse, example in (
        ("token", TokenRef.parse, "query:8 or key:2"),
        ("region", Region.parse, "0-63:128-191"),
    ):
        if name == kind and value:
            try:
                parse(value)
            except HeadlightError:
                raise ValueError(f"{value[:40]!r} is no {kind} such as {example}") from None
    if name == "revision" and not REVISION.fullmatch(value or "main"):
        raise ValueError(f"{value[:40]!r} is no branch, tag or commit")
    if len(value) > _LONGEST.get(name, MOST_CHARACTERS_IN_LINK):
        raise ValueError(f"it has {len(value):,} characters, too many for a link")
    return value


def to_link(choice: Choice) -> dict[str, str]:
    """Return the parameters of a link that restores a choice: what differs from the defaults.

    A text that is too long for a link is left out; the page says so (`fits_link`).
    """
    standard = Choice(text=first_text(choice.model))
    parameters = {}
    for name in NAMES:
        value = getattr(choice, name)
        # Layer and head stand in every link: what a link shows should be readable from it.
        if value != getattr(standard, name) or name in ("layer", "head"):
            parameters[name] = f"{value:g}" if isinstance(value, float) else str(value)
    return {name: value for name, value in parameters.items() if len(value) <= MOST_CHARACTERS_IN_LINK}


def fits_link(choice: Choice) -> bool:
    """Return whether a link restores the whole choice."""
    return all(len(text) <= MOST_CHARACTERS_IN_LINK for text in (choice.text, choice.pair, choice.target))


def first_text(model: str) -> str:
    """Return the text with which a model is shown first: one of its task, where it was trained here for one."""
    task = TASKS.get(model.removeprefix(bundled.SCRATCH_PREFIX)) if model.startswith(bundled.SCRATCH_PREFIX) else None
    return task.examples[0] if task is not None and task.examples else DEFAULT_TEXT


def _from_link(parameters: Mapping[str, str]) -> tuple[Choice, list[str]]:
    """Return what `from_link` does; what a link leaves open is this server's own model, and a text for the model."""
    choice, notices = from_link(parameters)
    if "model" not in parameters:
        choice = replace(choice, model=default_model())
    if "text" not in parameters:
        choice = replace(choice, text=first_text(choice.model))
    # Which head is shown first is known when the model is open (ui/pages/inspect.py).
    st.session_state[UNPLACED] = not {"layer", "head"} & set(parameters)
    return choice, notices


def _step(choice: Choice) -> tuple[str, ...]:
    return choice.model, choice.revision, choice.text, choice.pair, choice.target


ADDRESS = Address(
    "inspect", "", Choice, ("model", "revision", "text", "pair", "target"), _parsed, _from_link, to_link, _step
)
chosen, choose, held = ADDRESS.chosen, ADDRESS.choose, ADDRESS.held


def choose_selection(selection: Selection) -> None:
    """Make a fitted selection the session's, where it differs."""
    fitted = {
        "kind": selection.kind,
        "layer": selection.layer,
        "head": selection.head,
        "token": str(selection.token or ""),
        "region": str(selection.region or ""),
    }
    now = chosen()
    changed = {name: value for name, value in fitted.items() if getattr(now, name) != value}
    if changed:
        choose(**changed)
    # In every run: another model gives the same token another name.
    st.session_state.token = st.session_state.token
