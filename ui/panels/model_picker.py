"""The model of a page: which one is open, and the controls that open another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models import HeadlightError, Model
from models.checkpoints import bundled, fetched
from models.checkpoints.names import HUB_ID, clean_name
from models.scratch.tasks import TASKS, Task
from ui.messages import describe_error, escape_markdown
from ui.panels.model_loading import open_model
from ui.panels.text_input import use_first_text
from ui.services.settings import allowed_models, default_model
from ui.state.inspect import INSPECT, first_text, forget_head

# How many models that were opened before the picker offers.
MOST_RECENT = 6


def choose_model(row: DeltaGenerator) -> Model | None:
    """Show the model picker in a row of the page; return the chosen model.

    If it does not open, the last one that opened is returned, or else the server's own, and one sentence says why.
    None is returned while a model loads, or if none of them opens.
    """
    choice, session = INSPECT.current(), st.session_state
    wanted, problem = (choice.model, choice.revision), session.pop("opening problem", "")
    # A folder may have vanished since its model opened: then the last one does not open either.
    for name, revision in dict.fromkeys((wanted, session.get("opened", wanted), (default_model(), ""))):
        if (name, revision) != wanted:
            _change_model(name, revision)
        try:
            model = open_model(name, revision)
        except BaseException as error:
            reason = describe_error(error, f"opening {name!r}")
            problem = problem or reason
            continue
        if model is None:
            session["opening problem"] = problem
            return None
        break
    else:
        st.error(escape_markdown(problem), icon=":material/error:")
        st.button("Try again", key="try again")
        _offer_recent_models(*wanted)
        return None
    _remember(name, revision)
    with row:
        problem_is_shown = _model_picker(model, problem)
    if problem and not problem_is_shown:
        st.error(escape_markdown(problem), icon=":material/error:")
    return model


def _name_model(model: Model) -> str:
    """Return the label of the picker: the model's name and its numbers of layers and heads."""
    return f"{escape_markdown(model.card.name)} · {', '.join(_describe_sizes(model.card.sizes))}"


def _describe(model: Model) -> str:
    card = model.card
    parts = [
        _count_parameters(card.n_parameters),
        f"revision {escape_markdown(card.revision[:19])}",
        f"{escape_markdown(card.device)}, {card.dtype}",
    ]
    return " · ".join(parts)


def _describe_sizes(sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the numbers of layers and heads, for each kind if they differ."""
    described = {
        kind: f"{layers} layer{'' if layers == 1 else 's'} × {heads} heads" for kind, (layers, heads) in sizes.items()
    }
    if len({*sizes.values()}) == 1:
        return [described.popitem()[1]]
    return [f"{kind} {size}" for kind, size in described.items()]


def _count_parameters(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M parameters" if parameters >= 1e5 else f"{parameters:,} parameters"


def _model_picker(model: Model, problem: str) -> bool:
    """Show which model is open and the controls that open another; return whether the problem is shown here.

    The typed name is kept apart from the name of the open model, so that a visitor can correct a mistyped name. The
    problem is shown in the popover while it is open, because the popover hides what is below it.
    """
    card, choice = model.card, INSPECT.current()
    popover = st.popover(
        f"Model: {_name_model(model)}", icon=":material/deployed_code:", key="models", on_change="rerun"
    )
    _write_name(choice.model, choice.revision)
    with popover:
        allowed = allowed_models()
        _type_name(allowed)
        if problem and popover.open:
            st.error(escape_markdown(problem), icon=":material/error:")
        _offer_recent_models(choice.model, choice.revision)
        _offer_fetched_models([name for name in fetched.FETCHED if allowed is None or name in allowed], choice.model)
        _offer_trained_models([name for name in bundled.scratch_names() if allowed is None or name in allowed])
        proof = (
            f"replayed from queries and keys; worst difference from the model's own eager weights {card.proof:.1g}"
            if card.capture == "replayed"
            else "given by the model itself (output_attentions), since its family has no attention interface"
        )
        longest = "no limit" if card.max_tokens is None else f"{card.max_tokens:,} tokens at once"
        st.caption(f"{card.architecture}, {' and '.join(card.kinds)} attention, {longest}. Weights: {proof}.")
        st.caption(_describe(model))
    return bool(popover.open)


def _type_name(allowed: Sequence[str] | None) -> None:
    """Show the box for a model's name and its revision, or the models that this server allows."""
    name, revision = st.session_state["typed first"]
    changed: dict[str, Any] = {"on_change": _open_typed}
    if allowed is not None:
        st.selectbox("Model", allowed, allowed.index(name) if name in allowed else 0, key=_typed("model"), **changed)
        return
    known = ", ".join((*bundled.NAMES, *fetched.present_names()))
    st.text_input(
        "Model: bundled name, hub id, or folder",
        value=name,
        key=_typed("model"),
        help=f"On this machine: {known}. A hub id such as google-bert/bert-base-uncased, or the address of its page, "
        "is fetched once. A folder is one that save_pretrained, sentence-transformers, a training or peft made; a "
        ".gguf file is given by its path.",
        **changed,
    )
    st.text_input("Revision (branch, tag or commit of a hub id)", value=revision, key=_typed("revision"), **changed)


def _write_name(model: str, revision: str) -> None:
    """Write the open model into the boxes, if it is another than the last time.

    Another name has other boxes, with the name as their first value. A value that the server sets later is lost in a
    popover that is closed, and the browser sends back what the box showed before, as if the visitor had typed it.
    """
    session = st.session_state
    if session.get("typed for") == (model, revision):
        return
    if "typed first" not in session or (session.get(_typed("model")), session.get(_typed("revision"), "")) != (
        model,
        revision,
    ):
        if _typed("model") in session:
            session["typed generation"] = session.get("typed generation", 0) + 1
        session["typed first"] = (model, revision)
    session["typed for"] = (model, revision)


def _typed(name: str) -> str:
    """Return the key of the present box of "model" or "revision"."""
    generation = st.session_state.get("typed generation")
    return f"typed {name}#{generation}" if generation else f"typed {name}"


def _open_typed() -> None:
    """Open the model that the visitor named, as a link of its hub page or otherwise."""
    session = st.session_state
    name = session[_typed("model")].strip()
    # If the operator lists the models, the list has the revisions too, and there is no box for them.
    revision = session.get(_typed("revision"), "").strip() if allowed_models() is None else ""
    with suppress(HeadlightError):  # whoever opens it says what is wrong with the name
        name, stated = clean_name(name, revision or None)
        revision = stated or ""
    _open(name, revision)


def _open(name: str, revision: str) -> None:
    """Open a model; replace the first text of another model by one that this one can read."""
    # Another model may have other kinds of attention.
    INSPECT.update(kind="")
    _change_model(name, revision)
    forget_head()
    if name.startswith(bundled.SCRATCH_PREFIX):
        use_first_text(name)


def _change_model(name: str, revision: str) -> None:
    """Choose another model; the first text of the model before is replaced by that of this one."""
    before = INSPECT.now()
    INSPECT.update(model=name, revision=revision)
    if before.text == first_text(before.model):
        use_first_text(name)


def _remember(name: str, revision: str) -> None:
    """Keep a model that opened among the recent ones of this visit."""
    session = st.session_state
    session["opened"] = (name, revision)
    recent = [one for one in session.get("recent models", []) if one != (name, revision)]
    session["recent models"] = [(name, revision), *recent][:MOST_RECENT]


def _offer_recent_models(name: str, revision: str) -> None:
    """Show a button for each other model that was opened in this visit, and one for the server's own model."""
    own = (default_model(), "")
    offered = dict.fromkeys([*st.session_state.get("recent models", []), own])
    offered.pop((name, revision), None)
    if not offered:
        return
    st.caption("Opened before, and the model to start with:")
    with st.container(horizontal=True, gap="small"):
        for number, one in enumerate(offered):
            st.button(
                _shorten(*one),
                key=f"recent model {number}",
                on_click=_open,
                args=one,
                help=escape_markdown(f"{one[0]}{f' at {one[1]}' if one[1] else ''}"),
                icon=":material/home:" if one == own else None,
            )


def _shorten(name: str, revision: str) -> str:
    """Return a label for a button: a hub id, or the last part of a path."""
    shown = name if HUB_ID.fullmatch(name) else re.split(r"[/\\]", name)[-1] or name
    return escape_markdown(f"{shown[:40]}{f' at {revision[:12]}' if revision else ''}")


def _offer_fetched_models(names: list[str], opened: str) -> None:
    """Show a button for each real model that was fetched, and how to fetch the others."""
    present = [name for name in names if fetched.is_present(name) and name != opened]
    if present:
        st.caption("Real models on this machine, which open without a network:")
        with st.container(horizontal=True, gap="small"):
            for name in present:
                model = fetched.FETCHED[name]
                st.button(
                    escape_markdown(model.published_as.split("/")[-1]),
                    key=f"open {name}",
                    on_click=_open,
                    args=(name, ""),
                    help=escape_markdown(f"{name}: {model.about}"),
                )
    for name in names:
        if not fetched.is_present(name):
            model = fetched.FETCHED[name]
            st.caption(
                f"{escape_markdown(f'{name} ({model.about})')} is not on this machine yet: "
                f"`{fetched.command(name)}` fetches it once."
            )


def _offer_trained_models(names: list[str]) -> None:
    """Show a button for each model that was trained here; it opens with a text of its task."""
    if not names:
        return
    st.caption("Trained here, where it is known what the model has to do:")
    with st.container(horizontal=True, gap="small"):
        for name in names:
            task = TASKS[name.removeprefix(bundled.SCRATCH_PREFIX)]
            st.button(task.title, key=f"open {name}", on_click=_open_trained, args=(name, task), help=task.rule)


def _open_trained(name: str, task: Task) -> None:
    """Open a model that was trained here, with a text of its task, at the head that solves the task."""
    INSPECT.update(model=name, revision="", kind=task.kind)
    forget_head()
    use_first_text(name)
