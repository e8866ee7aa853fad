"""Which changes of the visitor this model and this text have: the others are dropped, and a notice says so."""

from __future__ import annotations

import streamlit as st

from analysis.causes.changes import (
    HeadChanges,
    Place,
    name_place,
    read_heads,
    read_positions,
    write_heads,
    write_positions,
)
from models import AttentionTrace, Model
from ui.services.traces import TraceRequest
from ui.state.inspect import INSPECT, forget_strikes, strikes_are_of

# The session's key of what was dropped last, with the changes that were left.
_DROPPED = "changes dropped"
# Heads or positions that a sentence names.
MOST_NAMED = 6
OTHER_TEXT = "The struck words were of another text: nothing is struck out in this one."


def why_unchangeable(model: Model) -> str:
    """Return why this page cannot change what a model computes, in a sentence; "" if it can."""
    if model.card.capture == "materialised":
        return (
            f"{model.card.name} computes its attention in code of its own, which Headlight reads but cannot change: "
            "choose another model to switch heads off."
        )
    return ""


def drop_strikes_of_other_text(request: TraceRequest) -> None:
    """Undo the strikes if the visitor has chosen another text since: their positions are of the text before."""
    given = (request.text, request.pair, request.messages, request.add_special_tokens, request.src_lang)
    text = (request.model, *given, request.picture)
    if strikes_are_of(text):
        return
    had_strikes = INSPECT.current().mask != ""
    forget_strikes(text)
    if had_strikes:
        _remember([OTHER_TEXT])


def fitted_changes(model: Model, trace: AttentionTrace) -> tuple[HeadChanges, tuple[int, ...]]:
    """Return the changes that the model and its trace have, and drop the others from the visitor's choice."""
    if why_unchangeable(model):
        return (), ()
    choice = INSPECT.current()
    heads, lost_heads = _fit_heads(read_heads(choice.ablate), trace)
    n_positions = count_positions(trace)
    asked = read_positions(choice.mask)
    positions = tuple(each for each in asked if each < n_positions)
    notices = []
    if lost_heads:
        names = _list(lost_heads)
        notices.append(
            f"There is no head {names} here: it is left out of the changes."
            if len(lost_heads) == 1
            else f"There are no heads {names} here: they are left out of the changes."
        )
    if positions != asked:
        lost = [str(each) for each in asked[len(positions) :]]
        which = "is no token" if len(lost) == 1 else "are no tokens"
        notices.append(f"There {which} {_list(lost)} here to strike out: this text has 0 to {n_positions - 1}.")
    # Also another name of the same head: a link may give the kind where there is only one.
    INSPECT.update(ablate=write_heads(heads), mask=write_positions(positions))
    if notices:
        _remember(notices)
    return heads, positions


def change_notices() -> list[str]:
    """Return what was dropped of the changes, as long as the model, the text and the changes are the same."""
    left, notices = st.session_state.get(_DROPPED, ((), []))
    return notices if left == _present() else []


def count_positions(trace: AttentionTrace) -> int:
    """Return how many tokens of a trace are of the text: the model itself wrote those after them."""
    return sum(not token.generated for token in trace[trace.kinds[0]].key_tokens)


def place_of(trace: AttentionTrace, kind: str, layer: int, head: int) -> Place:
    """Return a head as the changes name it: with its kind only if there are several."""
    return (kind if len(trace.kinds) > 1 else "", layer, head)


def _fit_heads(asked: HeadChanges, trace: AttentionTrace) -> tuple[HeadChanges, list[str]]:
    """Return the changes of heads that there are, each once, and the names of the others."""
    found: dict[Place, str] = {}
    lost = []
    for place, how in asked:
        kind, layer, head = place
        kind = kind or trace.kinds[0]
        exists = kind in trace.kinds and layer < trace[kind].n_layers and head < trace[kind].heads_in(layer)
        own = place_of(trace, kind, layer, head)
        if exists and own not in found:
            found[own] = how
        else:
            lost.append(name_place(place))
    return tuple(sorted(found.items())), lost


def _list(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _remember(notices: list[str]) -> None:
    st.session_state[_DROPPED] = (_present(), notices)


def _present() -> tuple[str, ...]:
    choice = INSPECT.current()
    return (choice.model, choice.shown_text, choice.ablate, choice.mask)
