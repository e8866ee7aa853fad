"""What the page "Heads" measures: the attention of one reading, or of each line of a text."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from models import Attention, Model
from ui.panels.conversation import reads_conversation
from ui.panels.sentences import request_of
from ui.services.head_numbers import (
    HeadDistances,
    HeadNumbers,
    distances_of,
    distances_of_texts,
    numbers_of,
    numbers_of_texts,
)
from ui.services.traces import TraceRequest
from ui.services.work import Work
from ui.state.inspect import INSPECT, MOST_SENTENCES


@dataclass(frozen=True)
class Measured:
    """An attention, with the model and the `requests` of all lines if these are measured each by itself.

    `model` is None for a trace from a file. `att` is that of one of the lines then.
    """

    model: Model | None
    att: Attention
    requests: tuple[TraceRequest, ...] = ()

    def numbers(self) -> Work[HeadNumbers]:
        """Return the work that measures all heads."""
        if self.model is not None and self.requests:
            return numbers_of_texts(self.model, self.requests, self.att.kind)
        return numbers_of(self.att)

    def distances(self) -> Work[HeadDistances]:
        """Return the work that compares all heads."""
        if self.model is not None and self.requests:
            return distances_of_texts(self.model, self.requests, self.att)
        return distances_of(self.att)


def measured(model: Model | None, att: Attention) -> Measured:
    """Return what is measured; say if there are more lines than the page reads."""
    choice = INSPECT.current()
    lines = choice.texts
    several = model is not None and len(lines) > 1 and "text" in model.card.modality and not reads_conversation(model)
    if model is None or not several:
        return Measured(model, att)
    if len(lines) > MOST_SENTENCES:
        st.warning(f"Only the first {MOST_SENTENCES:,} of {len(lines):,} lines are read.", icon=":material/info:")
    return Measured(model, att, tuple(request_of(model, line) for line in lines[:MOST_SENTENCES]))
