"""What the model answers: the labels of a classifier, or the most probable words of the token that is selected."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from functools import partial

import streamlit as st

from analysis.selection import Selection
from models import Attention, AttentionTrace, HeadlightError
from models.display import JOINER
from models.outputs import Label, Outputs, Word
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, FIND_SPAN, LABEL_TOKENS
from ui.messages import describe_error, escape_markdown
from ui.services.attention_cache import cached
from viz.labels import LABEL_LENGTH, label

MOST_LABELS, MOST_WORDS = 5, 5
# A text may have many masks, or many tokens with a label: so many are shown, and one can be locked to see its answer.
MOST_MASKS, MOST_TOKENS = 3, 40
# The label of tokens that are no part of a name, by the convention of data sets for named entities.
OUTSIDE = "O"


def show_outputs(trace: AttentionTrace, att: Attention, selection: Selection) -> None:
    """Show the model's answers, if it has a head, to the whole or at the token that is selected."""
    outputs = trace.outputs
    if not outputs:
        return
    try:
        position = selected_position(outputs, att, selection)
        if outputs.task in (CLASSIFY, CLASSIFY_IMAGE):
            lines = [_line("The model answers", map(_of_label, outputs.labels(MOST_LABELS)))]
        elif outputs.task == LABEL_TOKENS:
            lines = [_token_labels(outputs, position)]
        elif outputs.task == FIND_SPAN:
            lines = [_line("The model's answer in the text", _spans(trace))]
        else:
            lines = _words(trace, outputs, position)
    except HeadlightError as error:
        st.caption(escape_markdown(describe_error(error, "showing the answers")))
        return
    st.html(f'<div class="outputs" role="group" aria-label="What the model answers">{"".join(lines)}</div>')


def selected_position(outputs: Outputs, att: Attention, selection: Selection) -> int | None:
    """Return the selected token's position among those that have answers, None if none of them is selected."""
    token = selection.token
    if token is None:
        return None
    shown = att.words() if selection.unit == "words" else att
    is_query = token.side == "query"
    tokens, pieces = (att.query_tokens, att.key_tokens)[not is_query], shown.pieces[not is_query]
    if tokens != outputs.tokens or token.position >= len(pieces):
        return None
    return pieces[token.position][-1]


def _words(trace: AttentionTrace, outputs: Outputs, position: int | None) -> list[str]:
    """Return a line for the selected position, else for each masked one or for the last."""
    lines = []
    for each in asked_positions(outputs, position):
        words = cached(trace[trace.kinds[0]], ("top words", each), partial(outputs.top_words, each, MOST_WORDS))
        lines.append(_line(f"{name_place(outputs, each)} the model expects", map(_of_word, words, name_words(words))))
    return lines


def asked_positions(outputs: Outputs, position: int | None) -> tuple[int, ...]:
    """Return the positions whose words are shown: the selected one, else the masked ones, else the last."""
    if position is not None:
        return (position,)
    return outputs.masked[:MOST_MASKS] or (len(outputs.tokens) - 1,)


def name_place(outputs: Outputs, position: int) -> str:
    """Return where the words of a position stand, such as "After “cat” (position 3)"."""
    said = "After" if outputs.predicts_next else "At"
    return f"{said} “{label(outputs.tokens[position])}” (position {position})"


def name_words(words: Sequence[Word]) -> list[str]:
    """Return words as a reader sees them: a piece that continues the word before it begins with a joiner."""
    # Where new words begin with a space, a piece without one continues the word before it.
    have_spaces = any(word.token.display.startswith(" ") for word in words)
    return [
        f"{JOINER}{label(word.token)}" if have_spaces and word.token.display[:1].isalnum() else label(word.token)
        for word in words
    ]


def _of_word(word: Word, name: str) -> tuple[str, str, float]:
    return name, describe_word(word), word.probability


def describe_word(word: Word) -> str:
    """Return the piece and the id of a word."""
    return f"{word.token.text[:80]!r}, id {word.token.id}"


def _of_label(found: Label) -> tuple[str, str, float | str]:
    value = f"{found.score:.3g}" if found.probability is None else found.probability
    return shorten(found.name), f"{found.name}, id {found.id}, score {found.score:.3g}", value


def _token_labels(outputs: Outputs, position: int | None) -> str:
    if position is not None:
        asked = f"The label of “{label(outputs.tokens[position])}”"
        return _line(asked, map(_of_label, outputs.token_labels(position, MOST_LABELS)))
    found: list[tuple[str, str, float | str]] = []
    for number, token in enumerate(outputs.tokens):
        (best,) = outputs.token_labels(number, 1)
        if best.name != OUTSIDE and not token.special:
            name, title, value = _of_label(best)
            found.append((f"{label(token)}: {name}", f"position {number}: {title}", value))
    more = f" (the first {MOST_TOKENS} of {len(found)})" if len(found) > MOST_TOKENS else ""
    return _line(f"The model labels{more}", found[:MOST_TOKENS]) if found else _line("No token has a label", [])


def _spans(trace: AttentionTrace) -> list[tuple[str, str, float]]:
    source, found = trace.source, []
    for span in trace.outputs.spans():
        text = source.text_pair if trace.outputs.tokens[span.first].segment else source.text
        part = (text or "")[span.start : span.end]
        found.append((shorten(part, 80), f"tokens {span.first} to {span.last}", span.probability))
    return found


def _line(asked: str, answers: Iterable[tuple[str, str, float | str]]) -> str:
    """Return a question and its answers as HTML: a name, a tooltip, and a probability or another value."""
    items = []
    for name, title, value in answers:
        share = 0.0 if isinstance(value, str) else value
        shown = value if isinstance(value, str) else f"{value:.1%}" if value >= 0.001 else "<0.1%"
        items.append(
            f'<li title="{html.escape(title)}" style="--share:{share:.4f}">'
            f"<b>{html.escape(name)}</b> <span>{html.escape(shown)}</span></li>"
        )
    listed = f"<ul>{''.join(items)}</ul>" if items else ""
    return f'<div class="line"><span class="asked">{html.escape(asked)}{":" if items else "."}</span>{listed}</div>'


def shorten(text: str, most: int = LABEL_LENGTH) -> str:
    """Return a text, cut where it would take more than its place."""
    return text if len(text) <= most else text[: most - 1] + "…"
