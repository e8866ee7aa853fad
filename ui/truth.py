"""What is known to be right: the task that a model was trained on, its answer, and which heads solve it."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from analysis.truth import SAMPLES, SOLVES, TruthScores, task_of, truth_scores
from models import AttentionTrace, Model
from models.tasks import Task
from models.truth import Truth
from ui.plain import plain


def task_panel(model: Model, trace: AttentionTrace) -> None:
    """Say what the model was trained to do, and what it answers to this text."""
    task = task_of(model)
    if task is None:
        return
    st.markdown(f"**{task.title}.** {task.rule} What to look for: {task.looks[0].lower()}{task.looks[1:]}")
    if not task.has_truth:
        return
    truth = trace[task.kind].truth
    if truth is None:
        st.info(plain(_why_unknown(task)), icon=":material/help:")
        return
    said = task.says(model.module, task.joined(_pieces(trace, task)))
    if said is not None:
        st.html(_answers(truth, said))


def _pieces(trace: AttentionTrace, task: Task) -> list[str]:
    return [token.text for token in trace[task.kind].key_tokens if not token.special]


def _why_unknown(task: Task) -> str:
    why = "it is none of this task"
    if task.kind == "cross":
        why += ", or the decoder reads something else than the right answer"
    return f"What is right is not known for this text: {why}. Try {task.examples[0]!r}."


def _answers(truth: Truth, said: tuple[str, ...]) -> str:
    """Return each answer below what it answers, marked right or wrong by colour and by a sign."""
    chips, n_right, asked = [], 0, [place for place, answer in enumerate(truth.solution.answers) if answer]
    for place in asked:
        right = truth.task.accepts(said[place], truth.solution.answers[place])
        n_right += right
        chips.append(
            f'<span class="{"right" if right else "wrong"}" title="position {place}: expected '
            f'{html.escape(truth.solution.answers[place])}">{html.escape(said[place])}{"" if right else " ✗"}</span>'
        )
    count = f"{n_right} of {len(asked)} right"
    return f'<div class="answers"><span class="count">The model answers ({count}):</span> {"".join(chips)}</div>'


def heads_panel(model: Model, layer: int, head: int) -> None:
    """Show how often each head looks at the true place over unseen texts, beside what the model as a whole reaches."""
    scores = _scores_of(model, model.card.name, model.card.revision)
    if scores is None:
        return
    st.markdown("##### Heads and the truth")
    st.caption(_told(scores))
    rows = "".join(
        f'<tr class="{"chosen" if (number, place) == (layer, head) else ""}">'
        f"<td>layer {number}, head {place}</td>"
        f'<td><meter min="0" max="1" value="{value:.4f}"></meter> {value:.1%}</td>'
        f"<td>{_verdict(value, scores)}</td></tr>"
        for (number, place), value in np.ndenumerate(scores.scores)
        if not np.isnan(value)
    )
    head_row = "<tr><th>head</th><th>strongest key is the true one</th><th></th></tr>"
    table = f"<table><thead>{head_row}</thead><tbody>{rows}</tbody></table>"
    st.html(f'<div class="pairs truth" tabindex="0">{table}</div>')


@st.cache_resource(max_entries=16, show_spinner="Asking the model unseen texts …")
def _scores_of(_model: Model, name: str, revision: str) -> TruthScores | None:
    del name, revision  # what two models are told apart by
    return truth_scores(_model)


def _told(scores: TruthScores) -> str:
    solving = [f"{layer}.{head}" for layer, head in np.argwhere(scores.scores >= SOLVES).tolist()]
    found = (
        f"{'Head' if len(solving) == 1 else 'Heads'} {', '.join(solving)} (layer.head) "
        f"{'solves' if len(solving) == 1 else 'solve'} it, looking at the true place at least {SOLVES:.0%} of the time"
        if solving
        else f"No head looks at the true place {SOLVES:.0%} of the time: the heads share the work"
    )
    return (
        f"Over {SAMPLES} unseen texts the model is right {scores.accuracy:.1%} of the time. {found}; "
        f"looking anywhere would reach {scores.chance:.0%}."
    )


def _verdict(value: float, scores: TruthScores) -> str:
    if value >= SOLVES:
        return "solves the task"
    return "looks elsewhere, though the model is right" if scores.accuracy >= SOLVES else "does not solve it"
