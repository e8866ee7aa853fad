"""The task that a model was trained on, its answers, and which heads solve the task."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from analysis.truth import SAMPLES, SOLVES, Truth, TruthScores, task_of, truth_of, truth_scores
from models import Attention, AttentionTrace, Model
from models.scratch.tasks import Task
from models.scratch.tasks.digits import Digits
from models.scratch.tasks.series import NOISE
from ui.messages import escape_markdown
from ui.panels.picture_input import known_answer
from ui.services.attention_cache import cached
from ui.services.models import model_id
from ui.services.shared import Shared
from viz.figures.patches import data_address
from viz.labels import label

# A head whose truth score is lower mostly looks elsewhere.
MOSTLY = 0.5
# At most so many positions of wrong values are listed.
MOST_LISTED = 5
_SCORES: Shared[TruthScores | None] = Shared(16)


def task_panel(model: Model, trace: AttentionTrace) -> None:
    """Say what the model was trained to do, and what it answers to this text."""
    task = task_of(model)
    if task is None:
        return
    st.markdown(f"**{task.title}.** {task.rule} Where a head has to look: {task.looks[0].lower()}{task.looks[1:]}")
    if isinstance(task, Digits) and trace.image is not None:
        st.html(_digit_answer(task, model, trace.image))
    if not task.has_truth:
        return
    att = trace[task.kind]
    truth = truth_of(att)
    if truth is None:
        st.info(escape_markdown(_why_unknown(task)), icon=":material/help:")
        return
    text = task.join([token.text for token in att.key_tokens if not token.special])
    given = cached(att, "answers", lambda: task.answer(model.module, text))
    if given is not None:
        st.html(describe_answers(att, truth, given))


def _digit_answer(task: Digits, model: Model, picture: np.ndarray) -> str:
    """Return the picture as the model sees it, to the pixel, and what the model takes it for."""
    given, probabilities = task.classify(model.module, picture)
    sure = f"{probabilities.max():.0%} sure"
    expected = known_answer()
    right = expected in (None, given)
    judged = sure if expected is None else f"{sure}; it is a {expected}"
    chip = f'<span class="{"right" if right else "wrong"}">{given}{"" if right else " ✗"}</span>'
    return (
        f'<div class="answers digit"><img src="{data_address(picture)}" alt="The picture as the model sees it">'
        f'<span class="count">The model answers:</span> {chip} <span>({judged})</span></div>'
    )


def best_head(model: Model) -> tuple[int, int] | None:
    """Return the head with the highest truth score, which shows a task solved; None if no truth is known."""
    scores = scores_of(model)
    if scores is None:
        return None
    layer, head = np.unravel_index(np.nanargmax(scores.scores), scores.scores.shape)
    return int(layer), int(head)


def _why_unknown(task: Task) -> str:
    why = "it is not a text of this task"
    if task.kind == "cross":
        why += ", or the decoder reads something else than the right answer"
    return f"The right answer is not known for this text: {why}. Try {task.examples[0]!r}."


def describe_answers(att: Attention, truth: Truth, given: tuple[str, ...], said: str = "The model") -> str:
    """Return what a model answers to the text, and whether it is right, as HTML."""
    return _answers(att, truth, given, said) if truth.task.labels else _values(truth, given, said)


def _answers(att: Attention, truth: Truth, given: tuple[str, ...], said: str) -> str:
    """Return each answer after the token that asks for it, marked right or wrong by colour and in words."""
    chips, (asked, wrong) = [], _asked(truth, given)
    for position in asked:
        expected = html.escape(truth.solution.answers[position])
        # What a decoder writes answers the whole text, not the token before it.
        question = "" if att.kind == "cross" else f"<small>{html.escape(label(att.query_tokens[position]))}</small> → "
        name, more = ("wrong", f" ✗ <small>right: {expected}</small>") if position in wrong else ("right", "")
        answer = f"{question}{html.escape(given[position])}{more}"
        chips.append(f'<span class="{name}" title="position {position}">{answer}</span>')
    count = f"{len(asked) - len(wrong)} of {len(asked)} right"
    return f'<div class="answers"><span class="count">{said} answers ({count}):</span> {" ".join(chips)}</div>'


def _values(truth: Truth, given: tuple[str, ...], said: str) -> str:
    """Return how many values are right: dozens of numbers would tell a reader less than the signal's picture."""
    asked, wrong = _asked(truth, given)
    result = f"{len(asked) - len(wrong)} of {len(asked)} values are right ({1 - len(wrong) / len(asked):.0%})"
    listed = ", ".join(map(str, wrong[:MOST_LISTED])) + (" …" if len(wrong) > MOST_LISTED else "")
    positions = f"; wrong from position{'' if len(wrong) == 1 else 's'} {listed}" if wrong else ""
    rule = f"A value is right within {2 * NOISE:g} of the signal without its noise."
    return f'<div class="answers"><span class="count">{said} continues: {result}{positions}.</span> {rule}</div>'


def _asked(truth: Truth, given: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Return the positions at which something is asked, and those of them that are answered wrongly."""
    answers = truth.solution.answers
    asked = [position for position, answer in enumerate(answers) if answer]
    return asked, [each for each in asked if not truth.task.accepts(given[each], answers[each])]


def heads_panel(model: Model, layer: int, head: int) -> None:
    """Show each head's truth score over unseen texts, and how often the whole model is right."""
    scores = scores_of(model)
    if scores is None:
        return
    st.markdown("## Heads and the truth")
    st.caption(_describe_scores(scores))
    best_first = sorted(np.ndenumerate(scores.scores), key=lambda entry: -entry[1])
    rows = "".join(
        f'<tr class="{"chosen" if each == (layer, head) else ""}">'
        f"<td>{name_head(*each)}</td>"
        f'<td><meter aria-hidden="true" min="0" max="1" value="{value:.4f}"></meter> {value:.1%}</td>'
        f"<td>{_verdict(value, scores)}</td></tr>"
        for each, value in best_first
    )
    head_row = "<tr><th>head</th><th>attends to the true key</th><th>verdict</th></tr>"
    table = f"<table><thead>{head_row}</thead><tbody>{rows}</tbody></table>"
    st.html(f'<div class="pairs truth" tabindex="0" role="region" aria-label="Heads and the truth">{table}</div>')


def scores_of(model: Model) -> TruthScores | None:
    """Return the truth scores of a model's heads, computed once; None if no truth is known."""

    def compute() -> TruthScores | None:
        with st.spinner("Asking the model unseen texts …"):
            return truth_scores(model)

    return _SCORES.get(model_id(model), compute)


def _describe_scores(scores: TruthScores) -> str:
    solving = [name_head(layer, head) for layer, head in np.argwhere(scores.scores >= SOLVES).tolist()]
    if solving:
        found = f"{solving[0]} solves it alone" if len(solving) == 1 else f"{len(solving)} heads each solve it alone"
    else:
        best = np.unravel_index(np.argmax(scores.scores), scores.scores.shape)
        found = f"No head solves it alone; {name_head(*map(int, best))} comes closest"
    return (
        f"Over {SAMPLES} unseen texts the model is right {scores.accuracy:.1%} of the time. "
        f"{found[0].upper()}{found[1:]}. A head solves it whose strongest key is a true one at least {SOLVES:.0%} of "
        f"the time; looking anywhere would reach {scores.chance:.0%}."
    )


def name_head(layer: int, head: int) -> str:
    """Return what a sentence calls a head."""
    return f"layer {layer}, head {head}"


def _verdict(value: float, scores: TruthScores) -> str:
    if value >= SOLVES:
        return "solves the task"
    if value >= MOSTLY:
        return "looks there most of the time"
    return "looks elsewhere, though the model is right" if scores.accuracy >= SOLVES else "does not solve it"
