"""The panel of causes: switch heads off, strike words out, and see the model's answer before and after."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from analysis.causes.changes import HOWS, Place, name_place, read_heads, read_positions, write_heads, write_positions
from analysis.selection import Selection
from models import Attention, AttentionTrace, Model
from ui.messages import escape_markdown
from ui.panels.causes_answers import show_differences
from ui.panels.causes_blanks import blank_out_controls
from ui.panels.causes_changes import count_positions, place_of, why_unchangeable
from ui.panels.causes_effects import effects_controls
from ui.panels.causes_task import show_task_answer
from ui.panels.causes_traces import Traced
from ui.state.inspect import INSPECT
from viz.labels import label

TITLE = "What if? Switch off a head, strike out a word"
NEEDS_MODEL = "This trace was loaded from a file: only its model can answer what a change would do."
# What the buttons of a head say.
BUTTONS = {
    "zero": "Switch off this head",
    "mean": "Replace it by its mean",
    "uniform": "Attend to all alike",
    "first": "To the first token",
    "previous": "To the previous token",
    "self": "To the token itself",
}
HOW_HELP = {
    "zero": "The output of the head is 0.",
    "mean": "The output of the head is its mean over the text; in a decoder, over the text so far.",
    "uniform": "The head attends to every token that it may attend to, alike.",
    "first": "The head attends to the first token only.",
    "previous": "Each token attends to the token before it.",
    "self": "Each token attends to itself.",
}
MAPS = {"on": "before", "": "after", "difference": "difference"}
MAPS_HELP = "Whose maps the pictures show: without the changes, with them, or how far each weight moved, up or down."
# In cross attention, a query has no position among the keys.
OF_ONE_TEXT = ("previous", "self")
# More words could not be found at a glance: in a longer text, the locked token is offered.
MOST_WORDS = 60
# More changes are counted.
MOST_CHANGES = 12


def show_consequences(model: Model | None, traced: Traced | None, att: Attention, selection: Selection) -> None:
    """Show what the model answers without and with the changes, and what is changed."""
    if traced is None or model is None:
        return
    if traced.changed is not None and not show_task_answer(model, traced):
        show_differences(traced.untouched, traced.changed, att, selection)
    show_changes(traced)


def causes_panel(model: Model | None, traced: Traced | None, att: Attention, selection: Selection) -> None:
    """Show the controls of the changes."""
    expander = st.expander(TITLE, key="causes", on_change="rerun", type="compact")
    if not expander.open:
        return  # a head switch must not wait for what nobody sees
    with expander:
        if traced is not None and traced.is_old:
            return
        refusal = NEEDS_MODEL if model is None or traced is None else why_unchangeable(model)
        if refusal or traced is None:
            st.caption(escape_markdown(refusal))
            return
        _head_controls(traced.untouched, att, selection)
        _word_controls(traced.untouched, att, selection)
        assert model is not None  # else there is a refusal
        effects_controls(model, traced, att)
        blank_out_controls(model, traced)


def change(**values: str) -> None:
    """Change the choice for the whole page, in the callback of a widget of its fragment."""
    INSPECT.update(**values)
    st.rerun()


def show_changes(traced: Traced) -> None:
    """Show what is changed, each with a button that undoes it, and the switch between before and after."""
    choice = INSPECT.current()
    heads, positions = dict(read_heads(choice.ablate)), read_positions(choice.mask)
    if not heads and not positions:
        return
    if traced.failure:
        st.error(escape_markdown(traced.failure), icon=":material/error:")
    undo: list[tuple[str, str, Callable[[], None]]] = []
    for place, how in heads.items():
        left = {each: done for each, done in heads.items() if each != place}
        undo.append(
            (name_place(place), f"{name_head(place)}: {HOWS[how]}", partial(change, ablate=write_heads(left.items())))
        )
    for word, struck in _struck_words(traced.untouched, positions):
        left_over = write_positions(set(positions) - set(struck))
        undo.append((f"token {struck[0]}", f"“{word}”: struck out", partial(change, mask=left_over)))
    with st.container(key="changes", horizontal=True, vertical_alignment="center", gap="small"):
        if traced.changed is not None:
            st.segmented_control(
                "Maps",
                tuple(MAPS),
                **INSPECT.widget_args("before", on_change=st.rerun),
                format_func=lambda shown: MAPS[shown],
                help=MAPS_HELP,
                required=True,
                label_visibility="collapsed",
            )
        for name, done, callback in undo[:MOST_CHANGES]:
            st.button(
                escape_markdown(done),
                key=f"undo {name}",
                icon=":material/close:",
                on_click=callback,
                help="Undo this change.",
            )
        if len(undo) > MOST_CHANGES:
            st.caption(f"and {len(undo) - MOST_CHANGES} more changes")
        st.button("Undo all", key="undo all", on_click=change, kwargs={"ablate": "", "mask": ""})
    if traced.changed is not None:
        said = [notice for notice in traced.changed.notices if notice not in traced.untouched.notices]
        st.caption(escape_markdown(" ".join(said)))


def name_head(place: Place) -> str:
    """Return what a visitor calls a head."""
    kind, layer, head = place
    return f"{kind} layer {layer}, head {head}".strip().capitalize()


def _head_controls(trace: AttentionTrace, att: Attention, selection: Selection) -> None:
    """Offer the changes of the head that the instrument shows."""
    layer, head = selection.of_one_head()
    place = place_of(trace, att.kind, layer, head)
    if att.heads_in(layer) != trace[att.kind].heads_in(layer):
        st.caption("This map has no single heads: choose Show: Attention to change one.")
        return
    heads = dict(read_heads(INSPECT.current().ablate))
    with st.container(key="change-head", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{name_head(place)}**", width="content", help="The head that the pictures show.")
        for how, title in BUTTONS.items():
            if att.kind == "cross" and how in OF_ONE_TEXT:
                continue
            left = {**heads, place: how}
            st.button(
                title,
                key=f"change head {how}",
                on_click=change,
                kwargs={"ablate": write_heads(left.items())},
                disabled=heads.get(place) == how,
                help=HOW_HELP[how],
            )


def _words_of(trace: AttentionTrace) -> list[tuple[str, tuple[int, ...]]]:
    """Return each word of the text with the positions of its pieces; a word that the model completed is cut."""
    att, n_positions = trace[trace.kinds[0]], count_positions(trace)
    words, found = att.words(), []
    for token, pieces in zip(words.key_tokens, words.pieces[1], strict=True):
        own = tuple(each for each in pieces if each < n_positions)
        if own == pieces:
            found.append((label(token), own))
        elif own:
            found.append(("".join(label(att.key_tokens[each]) for each in own), own))
    return found


def _struck_words(trace: AttentionTrace, positions: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Return the struck positions, those of a word together, with the word or the struck pieces of it."""
    struck, tokens, found = set(positions), trace[trace.kinds[0]].key_tokens, []
    for word, pieces in _words_of(trace):
        own = tuple(each for each in pieces if each in struck)
        if own:
            found.append((word if own == pieces else " ".join(label(tokens[each]) for each in own), own))
    return found


def _word_controls(trace: AttentionTrace, att: Attention, selection: Selection) -> None:
    """Offer the words of the text to strike out: all, or in a long text the selected one."""
    if trace.source.audio is not None or trace[trace.kinds[0]].key_grid is not None:
        return  # the moments of a sound, or the patches of a picture
    words = _words_of(trace)
    if len(words) <= MOST_WORDS:
        st.caption("Click on a word to strike it out: no other token may attend to it then, in any layer.")
        _pills(words)
        return
    position = _locked_position(trace, att, selection)
    locked = next((each for each in words if position in each[1]), None)
    if locked is None:
        st.caption("Lock a word in the pictures to strike it out: this text has too many words to list them.")
        return
    struck = {*read_positions(INSPECT.current().mask), *locked[1]}
    st.button(
        escape_markdown(f"Strike out “{locked[0]}” (position {locked[1][0]})"),
        key="strike locked",
        on_click=change,
        kwargs={"mask": write_positions(struck)},
        help="No other token may attend to it then, in any layer.",
    )


def _locked_position(trace: AttentionTrace, att: Attention, selection: Selection) -> int | None:
    """Return the position in the text of the token that is locked in the pictures, None if there is none."""
    token = selection.token
    if token is None:
        return None
    shown, side = (att.words() if selection.unit == "words" else att), int(token.side == "key")
    tokens = (att.query_tokens, att.key_tokens)[side]
    if tokens != trace[trace.kinds[0]].key_tokens or token.position >= len(shown.pieces[side]):
        return None
    return shown.pieces[side][token.position][-1]


def _pills(words: list[tuple[str, tuple[int, ...]]]) -> None:
    positions = read_positions(INSPECT.current().mask)
    struck = [number for number, (_, pieces) in enumerate(words) if set(pieces) <= set(positions)]
    key = f"strikes {hash(tuple(words))}"
    session: Any = st.session_state
    if session.get(key) != struck:
        session[key] = struck

    def chosen() -> None:
        numbers = [each for each in session.get(key) or [] if isinstance(each, int) and 0 <= each < len(words)]
        change(mask=write_positions(position for number in numbers for position in words[number][1]))

    st.pills(
        "Words to strike out",
        range(len(words)),
        selection_mode="multi",
        format_func=lambda number: escape_markdown(words[number][0]),
        key=key,
        on_change=chosen,
        label_visibility="collapsed",
    )
