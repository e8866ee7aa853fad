"""Part B of "Step by step": the same steps inside a real head, with the visitor's own sentence."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

import viz.html.head_internals as pictures
from models import Model
from models.capture.cost import Budget
from models.capture.head_internals import HeadInternals, head_internals
from models.checkpoints import bundled, fetched
from ui.messages import describe_error, escape_markdown
from ui.panels.model_loading import open_model
from ui.services.models import model_id
from ui.services.settings import allowed_models, ask_seconds, budget, default_model
from ui.services.shared import Shared
from ui.state.steps import STEPS, StepsChoice
from viz.html import latex as working
from viz.html.head_internals import Pair, name_token

# Few, because a head of a long text takes some bytes for each pair of tokens.
_HEADS: Shared[HeadInternals] = Shared(6)


def real_head() -> None:
    """Show how one head of a real model computes a score, a row of weights and an output from a sentence."""
    model = _choose_model()
    if model is None:
        return
    if model.card.modality == "image":
        st.error(escape_markdown(f"{model.card.name} reads no sentences: choose a model of text, such as minilm."))
        return
    _choose_head(model)
    choice = STEPS.now()
    try:
        head = _compute_head(choice, model)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, "looking inside a head")), icon=":material/error:")
        return
    for notice in (*model.card.notices, *head.notices):
        st.warning(escape_markdown(notice), icon=":material/info:")
    pair = _choose_pair(head, choice)
    _show_score(head, pair)
    _show_row(head, pair)
    _show_output(head, pair)


def _choose_model() -> Model | None:
    choice = STEPS.now()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        allowed = allowed_models()
        if allowed is None:
            names = ", ".join((*bundled.NAMES, *fetched.present_names(), *bundled.scratch_names()))
            known = f"Bundled: {names}. A hub id, or a folder that save_pretrained made."
            st.text_input("Model: bundled name, hub id, or folder", **STEPS.widget_args("model"), help=known)
        else:
            if choice.model not in allowed:
                st.info(f"This server opens only its own models: {escape_markdown(default_model())} is shown instead.")
                STEPS.update(model=default_model(), revision="")
            args = STEPS.widget_args("model", on_change=STEPS.update, kwargs={"revision": ""})
            st.selectbox("Model", allowed, **args)
    with right:
        st.text_input("Sentence", **STEPS.widget_args("text"))
    choice = STEPS.now()
    try:
        return open_model(choice.model, choice.revision)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, f"opening {choice.model!r}")), icon=":material/error:")
        return None


def _choose_head(model: Model) -> None:
    """Show the controls of kind, layer and head; replace what the model does not have by the nearest that it has."""
    card, choice = model.card, STEPS.now()
    if choice.kind not in card.kinds:
        if choice.kind:
            st.info(f"There is no {choice.kind} attention here: {card.kinds[0]} attention is shown instead.")
        STEPS.update(kind=card.kinds[0])
    # An encoder and its decoder may differ: which layers they have is known when the head is opened.
    most = {"layer": card.n_layers - 1, "head": card.n_heads - 1} if len(card.kinds) == 1 else {}
    for name, last in most.items():
        if getattr(choice, name) > last:
            st.info(f"There is no {name} {getattr(choice, name)} here: {name} {last} is shown instead.")
            STEPS.update(**{name: last})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if len(card.kinds) > 1:
            st.selectbox("Attention", card.kinds, **STEPS.widget_args("kind"), width=130)
            st.text_input("Target: what the decoder reads", **STEPS.widget_args("target"), width=300)
        for name in ("layer", "head"):
            st.number_input(name.title(), 0, most.get(name, 9999), **STEPS.widget_args(name), width=120)


def _compute_head(choice: StepsChoice, model: Model) -> HeadInternals:
    target = choice.target if "cross" in model.card.kinds and choice.target else None
    text, kind, layer, head = choice.text, choice.kind, choice.layer, choice.head

    def compute() -> HeadInternals:
        most = budget()
        seconds = ask_seconds() if most.seconds is None else min(most.seconds, ask_seconds())
        allowed = Budget(most.n_bytes, seconds)
        with st.spinner("Looking inside the head …"):
            return head_internals(model, text, layer, head, kind=kind, target=target, budget=allowed)

    return _HEADS.get((model_id(model), text, target, kind, layer, head), compute)


def _choose_pair(head: HeadInternals, choice: StepsChoice) -> Pair:
    """Show the controls that choose the query token and the key token; return the choice."""
    sides = {"query_token": head.query_tokens, "key_token": head.key_tokens}
    for name, tokens in sides.items():
        STEPS.update(**{name: min(getattr(choice, name), len(tokens) - 1)})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        for (name, tokens), title in zip(sides.items(), ("Query: who looks", "Key: who is looked at"), strict=True):
            label = partial(name_token, tokens)
            positions = range(len(tokens))
            args = STEPS.widget_args(name, labels=map(label, positions))
            st.selectbox(title, positions, **args, width=230, format_func=label)
    choice = STEPS.now()
    return Pair(choice.query_token, choice.key_token)


def _show_score(head: HeadInternals, pair: Pair) -> None:
    i, j = pair.query, pair.key
    query, key = escape_markdown(name_token(head.query_tokens, i)), escape_markdown(name_token(head.key_tokens, j))
    width = head.q.shape[1]
    st.markdown(f"## 1. The score of {query} with {key}: {width} products, added up")
    st.html(pictures.products(head, pair))
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.html(pictures.dimensions(head, pair))
    with right, st.container(key="steps_working", gap="small"):
        q, k = head.q[i].astype(np.float64), head.k[j].astype(np.float64)
        st.latex(working.score(i, j, q, k, most=3))
        st.latex(working.scaled(i, j, float(head.scores[i, j]), width, scaling=head.scaling))
        if head.softcap is not None:
            st.caption(f"A soft cap of {head.softcap:g} bends the scaled score: cap × tanh(z / cap).")
        if head.bias is not None:
            st.caption(f"This family adds a bias for the two positions: {head.bias[i, j]:+.4f}.")
        if not head.mask[i, j]:
            st.caption("This key is masked: the query may not look at it, so its weight is 0.")
        st.caption(_provenance(head))


def _provenance(head: HeadInternals) -> str:
    shared = f" Its k and v are those of key-value head {head.kv_head}." if head.kv_head != head.head else ""
    return (
        f"Layer {head.layer}, head {head.head}, {head.kind} attention: q and k as the model itself made them, "
        f"positions included.{shared}"
    )


def _show_row(head: HeadInternals, pair: Pair) -> None:
    i, j = pair.query, pair.key
    st.markdown(f"## 2. The softmax of the row: {escape_markdown(name_token(head.query_tokens, i))} over all keys")
    with st.container(key="steps_working_row"):
        st.latex(working.softmax(i, j, head.logits[i].astype(np.float64), sink=head.sink))
    if head.sink is not None:
        rest = 1 - float(head.weights[i].sum())
        st.caption(f"This head has a sink of {head.sink:.4f}: a term of the sum that is no key; it takes {rest:.1%}.")
    n_shown, n_keys = len(pictures.shown_keys(head, pair)), len(head.key_tokens)
    if n_shown < n_keys:
        st.caption(f"{n_shown} of {n_keys} keys are listed: those with the most weight.")
    st.html(pictures.row(head, pair))


def _show_output(head: HeadInternals, pair: Pair) -> None:
    st.markdown("## 3. What the head passes on: values, mixed by the weights")
    with st.container(key="steps_working_output"):
        st.latex(rf"o_{{{pair.query}}} = \sum_j a_{{{pair.query},j}} \, v_j")
    st.html(pictures.mixture(head, pair))
    st.caption(
        "A strong weight on a short value moves little. The sum differs from what the model itself computed by at "
        f"most {head.exact:.1g}, over all queries of this head. The layer's W_o then mixes it with the other heads."
    )
