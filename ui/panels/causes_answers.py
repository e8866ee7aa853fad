"""The model's answers before and after the visitor's changes, side by side, with their difference in words."""

from __future__ import annotations

import html
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from analysis.selection import Selection
from models import Attention, AttentionTrace, HeadlightError
from models.outputs import MOST_WORDS as MOST_RANKED
from models.outputs import Label, Outputs, Span, Word
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, FIND_SPAN, LABEL_TOKENS
from ui.messages import describe_error, escape_markdown
from ui.panels.outputs import (
    MOST_LABELS,
    MOST_TOKENS,
    MOST_WORDS,
    asked_positions,
    describe_word,
    name_place,
    name_words,
    selected_position,
    shorten,
)
from ui.services.attention_cache import cached
from viz.labels import label

MOST_SPANS = 3
# A probability that changes by less is called the same.
SAME = 0.0005
# Smaller probabilities are not told apart.
LEAST = 0.001


@dataclass(frozen=True)
class Answer:
    """One answer before and after: its name, a tooltip, and two values; None where it is not among the answers.

    The values are probabilities from 0 to 1, unless `is_share` is False. A probability that is None is smaller than
    `bound`.
    """

    name: str
    title: str
    before: float | None
    after: float | None
    is_share: bool = True
    bound: float = LEAST


def show_differences(before: AttentionTrace, after: AttentionTrace, att: Attention, selection: Selection) -> None:
    """Show what the model answers without and with the changes."""
    try:
        lines = _lines(before, after, att, selection)
    except HeadlightError as error:
        st.caption(escape_markdown(describe_error(error, "showing the answers")))
        return
    if lines:
        name = "What the model answers before and after the change"
        st.html(f'<div class="outputs" role="group" aria-label="{name}">{"".join(lines)}</div>')


def _lines(before: AttentionTrace, after: AttentionTrace, att: Attention, selection: Selection) -> list[str]:
    one, other = before.outputs, after.outputs
    if not one:
        return [describe_movement(one.embedding(), other.embedding())]
    position = selected_position(one, att, selection)
    if one.task in (CLASSIFY, CLASSIFY_IMAGE):
        return [_line("The answer", _pair_labels(one.labels(), other.labels()))]
    if one.task == LABEL_TOKENS:
        if position is None:
            return [_changed_token_labels(one, other)]
        asked = f"The label of “{label(one.tokens[position])}”"
        return [_line(asked, _pair_labels(one.token_labels(position), other.token_labels(position)))]
    if one.task == FIND_SPAN:
        return [_line("The answer in the text", _pair_spans(before, after))]
    return [
        _line(f"{name_place(one, each)}, what the model expects", _pair_words(before, after, each))
        for each in asked_positions(one, position)
    ]


def describe_movement(before: np.ndarray, after: np.ndarray) -> str:
    """Return how far a sentence embedding has moved, as HTML."""
    lengths = float(np.linalg.norm(before) * np.linalg.norm(after))
    cosine = float(before @ after) / lengths if lengths > 0 else float("nan")
    words = "The embedding did not move" if cosine > 1 - SAME / 10 else "The embedding moved"
    return (
        f'<div class="line"><span class="asked">{words}: cosine <b>{cosine:.4f}</b> '
        "between the sentence embeddings before and after.</span></div>"
    )


def _pair_words(before: AttentionTrace, after: AttentionTrace, position: int) -> list[Answer]:
    first, second = _ranked(before, position), _ranked(after, position)
    shown: dict[int, Word] = {word.token.id: word for word in (*first[:MOST_WORDS], *second[:MOST_WORDS])}
    one, other = ({word.token.id: word.probability for word in words} for words in (first, second))
    names, bound = name_words(list(shown.values())), _bound([word.probability for word in (*first[-1:], *second[-1:])])
    return [
        Answer(name, describe_word(word), one.get(number), other.get(number), bound=bound)
        for (number, word), name in zip(shown.items(), names, strict=True)
    ]


def _ranked(trace: AttentionTrace, position: int) -> Sequence[Word]:
    """Return the most probable words of a position, as many as a trace gives: one may be far down after a change."""
    key: Hashable = ("ranked words", position)
    return cached(trace[trace.kinds[0]], key, partial(trace.outputs.top_words, position, MOST_RANKED))


def _pair_labels(before: Sequence[Label], after: Sequence[Label]) -> list[Answer]:
    shown = {each.id: each for each in (*before[:MOST_LABELS], *after[:MOST_LABELS])}
    one, other = ({each.id: each for each in labels} for labels in (before, after))

    def answer(found: Label) -> Answer:
        values = [side[found.id] for side in (one, other)]
        scores = f"{found.name}, id {found.id}, scores {values[0].score:.3g} and {values[1].score:.3g}"
        if found.probability is None:
            return Answer(shorten(found.name), scores, values[0].score, values[1].score, is_share=False)
        return Answer(shorten(found.name), scores, values[0].probability, values[1].probability)

    return [answer(each) for each in shown.values()]


def _pair_spans(before: AttentionTrace, after: AttentionTrace) -> list[Answer]:
    first, second = (trace.outputs.spans(MOST_RANKED) for trace in (before, after))
    shown = {(span.first, span.last): span for span in (*first[:MOST_SPANS], *second[:MOST_SPANS])}
    one, other = ({(span.first, span.last): span.probability for span in spans} for spans in (first, second))
    bound = _bound([span.probability for span in (*first[-1:], *second[-1:])])
    source = before.source

    def text(span: Span) -> str:
        whole = source.text_pair if before.outputs.tokens[span.first].segment else source.text
        return shorten((whole or "")[span.start : span.end], 80)

    return [
        Answer(text(span), f"tokens {span.first} to {span.last}", one.get(place), other.get(place), bound=bound)
        for place, span in shown.items()
    ]


def _bound(last: Sequence[float]) -> float:
    """Return a round probability above that of every answer after the last ones of two rankings."""
    return max(LEAST, math.ceil(max(last, default=0.0) / LEAST) * LEAST)


def _changed_token_labels(before: Outputs, after: Outputs) -> str:
    """Return the tokens whose label is another one, as HTML."""
    items = []
    for number, token in enumerate(before.tokens):
        first, second = (outputs.token_labels(number, 1)[0].name for outputs in (before, after))
        if first != second:
            names = f"{label(token)}: {shorten(first)} → {shorten(second)}"
            items.append(f'<li title="position {number}"><b>{html.escape(names)}</b></li>')
    if not items:
        return '<div class="line"><span class="asked">Every token keeps its label.</span></div>'
    said = f"{len(items)} of {len(before.tokens)} tokens get another label"
    more = f" (the first {MOST_TOKENS})" if len(items) > MOST_TOKENS else ""
    return f'<div class="line"><span class="asked">{said}{more}:</span><ul>{"".join(items[:MOST_TOKENS])}</ul></div>'


def _line(asked: str, answers: Sequence[Answer]) -> str:
    """Return a question, what the change does to its answer, and the answers before and after, as HTML."""
    items = []
    for each in answers:
        bars = [0.0 if value is None or not each.is_share else value for value in (each.before, each.after)]
        shown = html.escape(f"{_show(each, each.before)} → {_show(each, each.after)}")
        items.append(
            f'<li class="two" title="{html.escape(each.title)}" style="--share:{bars[1]:.4f};--before:{bars[0]:.4f}">'
            f"<b>{html.escape(each.name)}</b> <span>{shown}</span></li>"
        )
    said = html.escape(f"{asked}: {describe_change(answers)}")
    return f'<div class="line"><span class="asked">{said}</span><ul>{"".join(items)}</ul></div>'


def describe_change(answers: Sequence[Answer]) -> str:
    """Return in words what a change does to the first answer of several."""
    best = max(answers, key=lambda each: _value(each.before), default=None)
    now = max(answers, key=lambda each: _value(each.after), default=None)
    if best is None or now is None:
        return "there is no answer."
    if not best.is_share:
        return f"{_show(best, best.before)} becomes {_show(best, best.after)}."
    if now is not best:
        return f"“{best.name}” becomes “{now.name}”."
    change = _value(best.after) - _value(best.before)
    if abs(change) < SAME:
        return f"still “{best.name}”, as probable as before."
    return f"still “{best.name}”, {'more' if change > 0 else 'less'} probable."


def _value(value: float | None) -> float:
    return -float("inf") if value is None else value


def _show(answer: Answer, value: float | None) -> str:
    if not answer.is_share:
        return "none" if value is None else f"{value:.3g}"
    if value is None:
        return f"<{answer.bound:.1%}"
    return f"{value:.1%}" if value >= LEAST else f"<{LEAST:.1%}"
