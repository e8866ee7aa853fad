"""What a visitor chose on the Inspect page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from analysis.selection import COMBINE, UNITS, Selection
from models.checkpoints import bundled
from models.scratch.tasks import TASKS
from ui.services.settings import DEFAULT_MODEL, default_model
from ui.state import link
from ui.state.kinds import (
    are_pair,
    conversation,
    head_set,
    number,
    on_off,
    one_of,
    partner,
    region,
    revision,
    string,
    token,
    whole_number,
)
from ui.state.link import BROWSER, param
from ui.state.page_state import PageState
from viz import DrawOptions
from viz.colours import PALETTES, SCALES
from viz.options import TREATMENTS
from viz.wire.instrument import Opening

DEFAULT_TEXT = "The cat sat on the mat because it was tired."
AUTOMATIC = "automatic"
MOST_GENERATED = 64
MOST_SENTENCES = 1000
LONGEST_MODEL = 300
LONGEST_LANGUAGE = 40
# The session's key of whether neither the link nor the visitor has chosen a layer and a head.
_HEAD_NOT_CHOSEN = "head not chosen"


def first_text(model: str) -> str:
    """Return the text with which a model opens: an example of its task, if it was trained here for one."""
    task = TASKS.get(model.removeprefix(bundled.SCRATCH_PREFIX)) if model.startswith(bundled.SCRATCH_PREFIX) else None
    return task.examples[0] if task is not None and task.examples else DEFAULT_TEXT


def _first_text(earlier: Any) -> str:
    return first_text(earlier.model)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choices of the page. Layer and head are in every link, so that a reader of the link sees what it shows.

    With `lines`, each line of the text is a sentence of its own, and `sentence` is the number of the one that is shown.
    `messages` is a conversation in JSON, which a model with a chat template reads instead of the text. A language is ""
    for the tokenizer's own. `token` is locked; with `partner`, which is on the other side, it is the selected pair.
    """

    model: str = param(DEFAULT_MODEL, string(LONGEST_MODEL), free=True, adds_history=True)
    revision: str = param("", revision(), free=True, adds_history=True)
    text: str = param(_first_text, string(), free=True, adds_history=True)
    pair: str = param("", string(), free=True, adds_history=True)
    target: str = param("", string(), free=True, adds_history=True)
    messages: str = param("", conversation(), free=True, adds_history=True)
    src_lang: str = param("", string(LONGEST_LANGUAGE), free=True, adds_history=True)
    tgt_lang: str = param("", string(LONGEST_LANGUAGE), free=True, adds_history=True)
    add_special_tokens: bool = param(True, on_off(), adds_history=True)
    lines: bool = param(False, on_off(), adds_history=True)
    sentence: int = param(0, whole_number(0, MOST_SENTENCES - 1))
    generate: int = param(0, whole_number(0, MOST_GENERATED, "number of tokens"))
    kind: str = param("", one_of("", "encoder", "decoder", "cross"))
    layer: int = param(5, whole_number(0, 9999), always_in_link=True, owner=BROWSER)
    head: int = param(11, whole_number(0, 9999), always_in_link=True, owner=BROWSER)
    threshold: float = param(0.05, number(0, 1, "weight"), owner=BROWSER)
    palette: str = param(AUTOMATIC, one_of(AUTOMATIC, *PALETTES), owner=BROWSER)
    scale: str = param("linear", one_of(*SCALES), owner=BROWSER)
    token: str = param("", token(), owner=BROWSER)
    partner: str = param("", partner(), owner=BROWSER)
    region: str = param("", region(), owner=BROWSER)
    truth: bool = param(True, on_off("True", "False"), owner=BROWSER)
    unit: str = param("pieces", one_of(*UNITS), owner=BROWSER)
    heads: str = param("", head_set(), owner=BROWSER)
    combine: str = param("overlay", one_of(*COMBINE), owner=BROWSER)
    special: str = param("show", one_of(*TREATMENTS), owner=BROWSER)
    sink: str = param("show", one_of(*TREATMENTS), owner=BROWSER)
    renormalise: bool = param(False, on_off("True", "False"), owner=BROWSER)

    def __post_init__(self) -> None:
        """Drop a partner that another token has left without a pair."""
        if self.partner and not are_pair(self.token, self.partner):
            object.__setattr__(self, "partner", "")

    @property
    def texts(self) -> list[str]:
        """The lines that are read each by itself, or the whole text."""
        lines = [line for line in self.text.splitlines() if line.strip()] if self.lines else []
        return lines or [self.text]

    @property
    def shown_text(self) -> str:
        """The text of which the page shows the attention."""
        return self.texts[min(self.sentence, len(self.texts) - 1)]

    def selection(self) -> Selection:
        """Return what is shown; it may name more than the text has (`Selection.fit`)."""
        place = {"token": self.token, "partner": self.partner, "region": self.region, "kind": self.kind}
        return Selection.parse(self.layer, self.head, heads=self.heads, unit=self.unit, combine=self.combine, **place)

    def draw_options(self) -> DrawOptions:
        """Return how pictures are drawn; the automatic palette follows the page's light or dark theme."""
        palette = self.palette
        if palette == AUTOMATIC:
            palette = "night" if st.context.theme.type == "dark" else "blues"
        return DrawOptions(
            self.threshold, palette, self.scale, self.truth, self.special, self.sink, renormalise=self.renormalise
        )


def parse(query: Mapping[str, str]) -> tuple[Choice, list[str]]:
    """Return what a link describes, with this server's own model where the link names none.

    The page knows which head to show first when the model is open (`head_is_chosen`).
    """
    st.session_state[_HEAD_NOT_CHOSEN] = not {"layer", "head"} & set(query)
    return link.parse(Choice, query, model=default_model())


def head_is_chosen() -> bool:
    """Return whether the link or the visitor has chosen the present layer and head."""
    return not st.session_state.get(_HEAD_NOT_CHOSEN)


def forget_head() -> None:
    """Let the page choose the head to show first, for another model, and let go the tokens of the one before."""
    st.session_state[_HEAD_NOT_CHOSEN] = True
    INSPECT.select(token="", partner="", region="")


def mark_head_chosen() -> None:
    """Keep the present layer and head from now on."""
    st.session_state[_HEAD_NOT_CHOSEN] = False


INSPECT = PageState("inspect", "", Choice, parse)


def opened_selection(opening: Opening) -> Selection:
    """Return the selection that an opening names; it may name more than the text has (`Selection.fit`)."""
    return link.parse(Choice, dict(parse_qsl(opening.selection)))[0].selection()
