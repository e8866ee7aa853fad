"""The Inspect page: a sentence, all heads of a model, and one head in detail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import streamlit as st

from analysis.selection import Selection, nearest_head
from analysis.truth import truth_of
from models import Attention, AttentionTrace, Model
from models.model_input import OWN_TEXT_NOTICE
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels import trace_request as runs
from ui.panels.controls import head_controls, model_controls, text_controls
from ui.panels.export import export_controls
from ui.panels.head_pictures import show_heatmap, show_patches, show_signal, show_token_graph
from ui.panels.measures import show_measures, show_pairs
from ui.panels.model_loading import open_model
from ui.panels.overview import overview
from ui.panels.picture_input import picture_controls
from ui.panels.regions import region_controls
from ui.panels.truth import heads_panel, task_panel
from ui.services.settings import default_model
from ui.state import link
from ui.state.inspect import INSPECT, choose_selection, head_is_chosen, mark_head_chosen
from viz.figures.base import Subject
from viz.figures.signal import Signal
from viz.figures.token_graph import readable_region

_STYLE = Path(__file__).parents[1] / "style.css"


def page() -> None:
    """Text to tokens to trace to pictures, top to bottom."""
    st.html(_STYLE)
    told = INSPECT.restore()
    model = _model()
    if model is None:
        INSPECT.publish()
        return
    if model.card.modality == "image":
        picture_controls(model)
    else:
        text_controls(model)
    notices = [*told, *model.card.notices]
    trace = _trace(model)
    if trace is not None:
        # Where the right answer is known, the task's panel says what the model wrote.
        known = any(truth_of(trace[kind]) is not None for kind in trace.kinds)
        notices += [notice for notice in trace.notices if not (known and notice == OWN_TEXT_NOTICE)]
    for notice in notices:
        st.warning(escape_markdown(notice), icon=":material/info:")
    if trace is None:
        INSPECT.publish()
    else:
        task_panel(model, trace)
        _heads(model, trace)


def _model() -> Model | None:
    """Return the chosen model, else the last one that opened, else the server's own, with one sentence about why.

    None while it loads, or where none of them opens.
    """
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    left.markdown("# Headlight: what every attention head looks at")
    choice, session = INSPECT.current(), st.session_state
    wanted, problem = (choice.model, choice.revision), session.pop("opening problem", "")
    # A folder may have vanished since its model opened: then the last one does not open either.
    for name, revision in dict.fromkeys((wanted, session.get("opened", wanted), (default_model(), ""))):
        if (name, revision) != wanted:
            INSPECT.update(model=name, revision=revision)
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
        return None
    session["opened"] = (name, revision)
    with right:
        told = model_controls(model, problem)
    st.caption(_described(model))
    if problem and not told:
        st.error(escape_markdown(problem), icon=":material/error:")
    return model


def _described(model: Model) -> str:
    card = model.card
    parts = [
        f"**{escape_markdown(card.name)}**",
        ", ".join(_sizes(card.sizes)),
        _many(card.n_parameters),
        f"revision {escape_markdown(card.revision[:19])}",
        f"{escape_markdown(card.device)}, {card.dtype}",
    ]
    return " · ".join(parts)


def _sizes(sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return how many layers and heads there are, for each kind where they differ."""
    told = {
        kind: f"{layers} layer{'' if layers == 1 else 's'} × {heads} heads" for kind, (layers, heads) in sizes.items()
    }
    return [told.popitem()[1]] if len({*sizes.values()}) == 1 else [f"{kind} {size}" for kind, size in told.items()]


def _many(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M parameters" if parameters >= 1e5 else f"{parameters:,} parameters"


def _trace(model: Model) -> AttentionTrace | None:
    """Return the trace of the chosen text; None where it cannot be traced, with one sentence about why."""
    try:
        return runs.trace(model)
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, "tracing")), icon=":material/error:")
        return None


@st.fragment
@guarded
def _heads(model: Model, trace: AttentionTrace) -> None:
    """Show all heads and the chosen one; choosing another reruns this part alone.

    The pictures of the chosen head are sent first, into places that are laid out before: the eye waits for them.
    """
    INSPECT.now()
    att, selection = _fit_selection(trace)
    choice = INSPECT.current()
    options, subject = choice.draw_options(), Subject(att, trace.image)
    layer, head = selection.of_one_head()
    controls = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    with st.container(key="pictures"):
        left, detail = st.columns([6, 5], gap="medium")
        lines, numbers = st.columns([6, 5], gap="medium")
    with lines:
        show_token_graph(subject, selection, options)
    with detail:
        show_heatmap(subject, selection, options)
        region_controls(att, choice)
    with left:
        overview(att, (layer, head), options)
        if Signal().fits(subject):
            show_signal(subject, selection, options)
    with controls:
        head_controls(trace, att, readable_region(att, selection))
        export_controls(subject, selection, options)
    # The maps of a small model leave room below them.
    with left if model.card.task else numbers:
        if trace.image is not None:
            show_patches(subject, selection, options)
    with numbers:
        show_measures(att, layer, head)
        show_pairs(att, selection)
        heads_panel(model, layer, head)
    if trace.image is not None:
        st.caption("The picture is in no link: the address restores everything but the picture.")
    elif not link.fits_link(choice):
        st.caption("The text is too long for a link: the address restores everything but the text.")
    INSPECT.publish()


def _fit_selection(trace: AttentionTrace) -> tuple[Attention, Selection]:
    """Return the attention that is shown and the nearest selection that it has, with a sentence for each change."""
    choice = INSPECT.current()
    kind = choice.kind
    if kind not in trace.kinds:
        # Of a task's model, the attention whose right answers are known.
        kind = next((each for each in trace.kinds if truth_of(trace[each]) is not None), trace.kinds[0])
        if choice.kind:
            st.info(f"There is no {choice.kind} attention here: {kind} attention is shown instead.")
    att, selection = trace[kind], choice.selection()
    if not head_is_chosen():
        layer, head = nearest_head(att, choice.layer, choice.head)
        selection = replace(selection, layer=layer, heads=(head,))
    mark_head_chosen()
    selection, notices = selection.fit(att)
    for notice in notices:
        st.info(notice)
    choose_selection(selection)
    return att, selection


page()
