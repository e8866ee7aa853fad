"""Measures that need a text of their own: heads on a random sequence that repeats itself."""

from __future__ import annotations

import streamlit as st

from models import Attention, Model
from ui.panels.on_demand import result_on_demand
from ui.services.head_numbers import HeadNumbers, repeated_of
from ui.state.heads import HEADS


def can_repeat(model: Model | None, att: Attention) -> bool:
    """Return whether there is a model that reads tokens alone, and these are the heads that read them."""
    return model is not None and model.card.modality == "text" and att.kind == model.card.kinds[0]


def with_repeated(model: Model | None, att: Attention, numbers: HeadNumbers) -> HeadNumbers:
    """Return the numbers with those of the repeated sequence, if the visitor has asked for them and they are there."""
    if model is None or not HEADS.current().repeated or not can_repeat(model, att):
        return numbers
    found = result_on_demand(repeated_of(model, att.kind))
    return numbers if found is None else numbers.join(found)


def repeated_controls(model: Model | None, att: Attention) -> None:
    """Let the visitor ask for the measures, where they can be made."""
    if can_repeat(model, att):
        st.toggle(
            "Add induction heads: measures on a repeated random sequence",
            **HEADS.widget_args("repeated"),
            help="The model reads 64 random tokens twice. Induction: weight on the token after the earlier occurrence "
            "of the query's token (Olsson et al. 2022). Duplicate: weight on that occurrence. Previous: weight on the "
            "token before.",
        )
