"""Which heads matter for the text that is shown: what the output loses without each, as a grid and as a table."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis.causes import effects
from models import Attention, Model
from models.capture.cost import Estimate, readable_seconds
from ui.messages import escape_markdown
from ui.panels.causes_table import grid_of, offer_files, origin_of, show_grid, show_table
from ui.panels.causes_traces import Traced
from ui.panels.export import short_model
from ui.panels.on_demand import Work, result_or_refusal
from ui.services.jobs import Jobs
from ui.services.settings import budget
from ui.services.traces import TraceRequest

BUTTON = "Which heads matter here?"
TABLES_IN_MEMORY = 32
# Pixels; a phone has fewer, and shows the table below the picture.
PICTURE_WIDTH = 560
_EFFECTS: Jobs[pd.DataFrame] = Jobs(TABLES_IN_MEMORY, lambda: float("inf"))
# What the control and the title of the picture say: both fit on a phone.
WAYS = {"zero": "switched off", "mean": "at its mean", "uniform": "attending alike"}
WARNING = (
    "Looking right is not mattering: a head with a clear pattern may be needless, and others may stand in for one that "
    "the model needs."
)
# What a column of the table says.
TITLES = {
    "effect": "effect",
    "cosine": "cosine before and after",
    "before": "before",
    "probability": "probability after",
    "divergence_bits": "divergence (bits)",
    "value": "value after",
}


def effects_controls(model: Model, traced: Traced, att: Attention) -> None:
    """Offer to measure what the output loses without each head of the untouched model, and show what was found."""
    # The answer to the text itself: after a continuation, the next token would be another one.
    request, kind = replace(traced.request, generate=0), att.kind
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**All heads, one at a time**", width="content")
        how = st.segmented_control(
            "Each head",
            tuple(WAYS),
            default="zero",
            format_func=lambda way: WAYS[way],
            key="effects how",
            required=True,
            label_visibility="collapsed",
        )
    table = result_or_refusal(lambda: _work(model, request, traced, kind, how or "zero"))
    if table is None:
        return
    st.caption(escape_markdown(f"{describe_effects(table)} {WARNING}"))
    view = grid_of(table, TITLES, f"Loss with each head {WAYS[how or 'zero']}", _unit(table))
    with st.container(horizontal=True, gap="medium"):
        with st.container(width=PICTURE_WIDTH):
            show_grid(view, kind, key="effects grid")
        show_table(table, TITLES, kind, key="effects table")
    name = f"{short_model(traced.untouched.source)}-{kind}-effects-{how}"
    facts = {"how": how, **{each: table.attrs[each] for each in ("terms", "answer", "positions")}}
    origin = origin_of(traced.untouched[kind], "heads-effects", facts)
    offer_files(name, table, origin, view)


def describe_effects(table: pd.DataFrame) -> str:
    """Return in words which heads matter most, and how many hardly do."""
    effect = table["effect"].dropna().sort_values(ascending=False)
    if effect.empty:
        return "No effect is defined here."
    best, most = effect.index[0], float(effect.iloc[0])
    if most <= 0:
        return f"The effect is {_name_effect(table)}. No head has one."
    weak = int((effect.abs() < most / 10).sum())
    return (
        f"The effect is {_name_effect(table)}. Layer {best[0]}, head {best[1]} matters most ({most:.3g}); "
        f"{weak} of {len(effect)} heads have less than a tenth of that."
    )


def _work(model: Model, request: TraceRequest, traced: Traced, kind: str, how: str) -> Work[pd.DataFrame]:
    """Return the work that measures the heads of a kind, layer by layer.

    Raises:
        HeadlightError: it would take more than the server's budget.
    """
    att = traced.untouched[kind]
    n_heads = sum(att.heads_in(layer) for layer in range(att.n_layers))
    one, allowed = request.estimate(model), budget()
    seconds = n_heads * one.seconds
    allowed.admit(Estimate(one.n_tokens, one.n_bytes, seconds))
    given = request.given()
    return Work(
        _EFFECTS,
        (request, kind, how),
        lambda progress: effects(model, how=how, kind=kind, progress=progress, budget=allowed, **given),
        BUTTON,
        f"Runs the model without your changes once for each of the {n_heads} heads: {_at_most(seconds)}.",
        "step",
        seconds,
    )


def _name_effect(table: pd.DataFrame) -> str:
    """Return in words what the effect of a table is (analysis/causes/effects.py)."""
    if "cosine" in table:
        return "how far the sentence embedding turns (1 - cosine)"
    if "value" in table:
        return "how much the model's numbers change on average"
    answer = table.attrs["answer"]
    return f"what the probability of {f'“{answer}”' if answer else 'the model’s own answers'} loses"


def _unit(table: pd.DataFrame) -> str:
    """Return what the effect of a table is, beside its colours."""
    if "cosine" in table:
        return "1 - cosine"
    return "mean change" if "value" in table else "probability lost"


def _at_most(seconds: float) -> str:
    return "less than a second" if seconds < 1 else f"at most about {readable_seconds(seconds)}"
