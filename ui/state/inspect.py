"""What a visitor chose on the Inspect page."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import streamlit as st

from analysis.maps import METHODS
from analysis.selection import COMBINE, UNITS, Selection
from models.checkpoints import bundled
from models.scratch.tasks import TASKS
from ui.services.settings import DEFAULT_MODEL, default_model, server_trace
from ui.state import link
from ui.state.kinds import (
    are_pair,
    conversation,
    head_changes,
    head_set,
    number,
    on_off,
    one_of,
    opened_file,
    partner,
    positions,
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
LONGEST_GOAL = 80
# The trace that every visitor of this server may open.
SERVERS = "server"
# The text with which a fetched model opens, and how many tokens the model continues it by. The others open with
# DEFAULT_TEXT.
FIRST_TEXTS = {
    "smollm2": ("My dog is called Ruffles. Every morning I take Ruff", 5),
    "e5": ("The cat sleeps on the sofa. 猫在沙发上睡觉。", 0),
}
# The session's key of whether neither the link nor the visitor has chosen a layer and a head.
_HEAD_NOT_CHOSEN = "head not chosen"
# The session's key of the text in which the present tokens are struck out.
_STRUCK = "text of the struck tokens"


def first_text(model: str) -> str:
    """Return the text with which a model opens: an example of its task, if it was trained here for one."""
    if model in FIRST_TEXTS:
        return FIRST_TEXTS[model][0]
    task = TASKS.get(model.removeprefix(bundled.SCRATCH_PREFIX)) if model.startswith(bundled.SCRATCH_PREFIX) else None
    return task.examples[0] if task is not None and task.examples else DEFAULT_TEXT


def first_generate(model: str) -> int:
    """Return how many tokens a model continues its first text by."""
    return FIRST_TEXTS[model][1] if model in FIRST_TEXTS else 0


def _first_text(earlier: Any) -> str:
    return first_text(earlier.model)


def _first_trace(earlier: Any) -> str:
    """Return the trace with which the page opens: the server's own, unless a link names what a model reads."""
    own = default_model()
    named = earlier.revision or earlier.pair or earlier.target or earlier.messages
    is_first = (earlier.model, earlier.text) == (own, first_text(own)) and not named
    return SERVERS if is_first and server_trace() is not None else ""


def _first_generate(earlier: Any) -> int:
    opens_with_it = not earlier.messages and earlier.text == first_text(earlier.model)
    return first_generate(earlier.model) if opens_with_it else 0


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choices of the page. Layer and head are in every link, so that a reader of the link sees what it shows.

    With `lines`, each line of the text is a sentence of its own, and `sentence` is the number of the one that is shown.
    `messages` is a conversation in JSON, which a model with a chat template reads instead of the text. A language is ""
    for the tokenizer's own. `token` is locked; with `partner`, which is on the other side, it is the selected pair.
    `trace` is the trace from a file that is shown in place of the model: its number in this visit, or `SERVERS`.

    `show` is a method of analysis/maps, and `goal` what the gradient is of, "" for the model's own answer. `ablate` has
    the heads that are changed, such as "2.5:zero,3.1:uniform", and `mask` the tokens that nobody may attend to, such as
    "4,7"; with `before`, the maps are those without these changes ("on"), or how far each weight moved ("difference").
    """

    model: str = param(DEFAULT_MODEL, string(LONGEST_MODEL), free=True, adds_history=True)
    revision: str = param("", revision(), free=True, adds_history=True)
    text: str = param(_first_text, string(), free=True, adds_history=True)
    pair: str = param("", string(), free=True, adds_history=True)
    target: str = param("", string(), free=True, adds_history=True)
    messages: str = param("", conversation(), free=True, adds_history=True)
    trace: str = param(_first_trace, opened_file(SERVERS), adds_history=True)
    src_lang: str = param("", string(LONGEST_LANGUAGE), free=True, adds_history=True)
    tgt_lang: str = param("", string(LONGEST_LANGUAGE), free=True, adds_history=True)
    add_special_tokens: bool = param(True, on_off(), adds_history=True)
    lines: bool = param(False, on_off(), adds_history=True)
    sentence: int = param(0, whole_number(0, MOST_SENTENCES - 1))
    generate: int = param(_first_generate, whole_number(0, MOST_GENERATED, "number of tokens"))
    kind: str = param("", one_of("", "encoder", "decoder", "cross"))
    show: str = param("attention", one_of(*METHODS), adds_history=True)
    goal: str = param("", string(LONGEST_GOAL), free=True, adds_history=True)
    ablate: str = param("", head_changes(), adds_history=True)
    mask: str = param("", positions(), adds_history=True)
    before: str = param("", one_of("", "on", "difference"))
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
    st.session_state.pop(_STRUCK, None)
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


def strikes_are_of(text: Hashable) -> bool:
    """Return whether the struck tokens are of this text, which they are for the first text after a link."""
    return st.session_state.setdefault(_STRUCK, text) == text


def forget_strikes(text: Hashable) -> None:
    """Undo the strikes of another text: from now on, they are of this one."""
    st.session_state[_STRUCK] = text
    INSPECT.update(mask="")


def opened_selection(opening: Opening) -> Selection:
    """Return the selection that an opening names; it may name more than the text has (`Selection.fit`)."""
    return link.parse(Choice, dict(parse_qsl(opening.selection)))[0].selection()
