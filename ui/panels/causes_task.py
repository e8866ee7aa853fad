"""What a model that was trained on a task answers with the visitor's changes, and which of its heads matter."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.causes.task_effects import TaskEffects, changed_answer, changed_digit, task_effects
from analysis.truth import SOLVES, TruthScores, task_of, truth_of
from models import Model
from models.scratch.tasks import Task
from models.scratch.tasks.digits import Digits
from ui.components import chart
from ui.panels.causes_table import show_table
from ui.panels.causes_traces import Traced
from ui.panels.on_demand import Work, result_on_demand
from ui.panels.truth import MOSTLY, describe_answers, name_head, scores_of
from ui.services.attention_cache import cached
from ui.services.jobs import Jobs
from ui.services.models import model_id
from viz.figures.plotly_text import PLAIN

BUTTON = "Do these heads matter?"
_EFFECTS: Jobs[TaskEffects | None] = Jobs(16, lambda: float("inf"))
# A head whose loss is smaller does not matter, and one whose loss is larger matters.
LITTLE, MUCH = 0.02, 0.1
HOVER = "head %{text}<br>attends to the true key %{x:.1f}%<br>accuracy lost %{y:.1f} points<extra></extra>"
TITLES = {"truth": "attends to the true key", "right": "right without it", "effect": "accuracy lost"}


def show_task_answer(model: Model, traced: Traced) -> bool:
    """Show what a model of a task answers with the changes; return False if it has no answer to this text."""
    task, changed = task_of(model), traced.changed
    if task is None or changed is None:
        return False
    att = traced.untouched[task.kind] if task.has_truth else traced.untouched[traced.untouched.kinds[0]]
    source = changed.source
    heads = {(kind, layer, head): how for kind, layer, head, how in source.ablate}
    key = ("changed answer", source.ablate, source.mask_tokens)
    if isinstance(task, Digits) and changed.image is not None:
        picture = changed.image
        before, certain = task.classify(model.module, picture)
        given, probabilities = cached(att, key, lambda: changed_digit(model, task, picture, heads))
        number = task.labels.index(before)
        st.html(
            f'<div class="answers"><span>With the change, the model answers {html.escape(given)} '
            f"({probabilities.max():.0%} sure). “{html.escape(before)}”: {certain[number]:.1%} → "
            f"{probabilities[number]:.1%}.</span></div>"
        )
        return True
    truth = truth_of(att)
    if truth is None:
        return False
    text = task.join([token.text for token in att.key_tokens if not token.special])
    answer = cached(att, key, lambda: changed_answer(model, task, text, heads, source.mask_tokens))
    if answer is None:
        return False
    st.html(describe_answers(att, truth, answer, "With the change, the model"))
    return True


def task_effects_panel(model: Model) -> None:
    """Offer to switch off each head over unseen texts, and show whether those that look right matter."""
    task = task_of(model)
    if task is None:
        return
    n_layers, n_heads = model.card.sizes[task.kind]
    found = result_on_demand(
        Work(
            _EFFECTS,
            model_id(model),
            lambda progress: task_effects(model, progress=progress),
            BUTTON,
            f"Switches off each of the {n_layers * n_heads} heads in turn over unseen {_texts(task)}: a few seconds.",
            "head",
        )
    )
    if found is None:
        return
    scores = scores_of(model)
    st.caption(describe_task_effects(found, scores, _texts(task)))
    table = table_of(found, scores)
    if scores is not None:
        chart(_scatter(table), "task effects", "Truth score and accuracy lost of all heads. The table has the numbers.")
    show_table(table, TITLES, found.kind, key="task effects table", style="percent")


def table_of(found: TaskEffects, scores: TruthScores | None) -> pd.DataFrame:
    """Return of each head the truth score if there is one, the accuracy without it, and the accuracy lost."""
    index = pd.MultiIndex.from_tuples(list(np.ndindex(found.lost.shape)), names=["layer", "head"])
    lost = found.lost.ravel()
    columns = {"right": found.accuracy - lost, "effect": lost}
    if scores is not None:
        columns = {"truth": scores.scores.ravel(), **columns}
    return pd.DataFrame(columns, index=index)


def describe_task_effects(found: TaskEffects, scores: TruthScores | None, texts: str = "texts") -> str:
    """Return in words whether the heads that look right matter."""
    best = np.unravel_index(np.argmax(found.lost), found.lost.shape)
    said = [
        f"Over {found.n_samples} unseen {texts} the model is right {found.accuracy:.1%} of the time. It loses most "
        f"without {name_head(*map(int, best))}: {found.accuracy - found.lost[best]:.1%} are right then."
    ]
    if scores is None:
        return said[0]
    solving = scores.scores >= SOLVES
    n_solving, n_kept = int(solving.sum()), int((solving & (found.lost < LITTLE)).sum())
    if n_solving == 1:
        says = "can be switched off without loss: other heads do the same work" if n_kept else "matters"
        said.append(f"The head that solves the task alone {says}.")
    elif n_solving:
        says = "none of them matters alone: each can stand in for another" if n_kept == n_solving else ""
        said.append(f"Of the {n_solving} heads that solve the task alone, {says or f'{n_solving - n_kept} matter'}.")
    n_hidden = int(((scores.scores < MOSTLY) & (found.lost > MUCH)).sum())
    if n_hidden:
        heads = "1 head that mostly looks" if n_hidden == 1 else f"{n_hidden} heads that mostly look"
        matters = (
            "matters too: other heads build on what it computes" if n_hidden == 1 else "matter too: others need them"
        )
        said.append(f"{heads} elsewhere {matters}.")
    return " ".join(said)


def _texts(task: Task) -> str:
    return "pictures" if isinstance(task, Digits) else "texts"


def _scatter(table: pd.DataFrame) -> go.Figure:
    """Return the accuracy lost of all heads over their truth scores."""
    names = [f"{layer}.{head}" for layer, head in table.index]
    figure = go.Figure(layout_template=PLAIN)
    figure.add_scatter(
        x=(100 * table["truth"]).round(2).tolist(),
        y=(100 * table["effect"]).round(2).tolist(),
        text=names,
        mode="markers+text",
        textposition="top center",
        hovertemplate=HOVER,
        marker={"size": 9, "color": "#2a86c8"},
    )
    figure.update_layout(
        title={"text": "Do the heads that look right matter?"},
        height=340,
        margin={"l": 60, "r": 20, "t": 50, "b": 50},
        xaxis={"title": {"text": "attends to the true key (%)"}, "range": [-5, 105]},
        yaxis={"title": {"text": "accuracy lost without it (points)"}},
        showlegend=False,
    )
    return figure
