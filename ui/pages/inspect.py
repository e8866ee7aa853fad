"""The Inspect page: a sentence, all heads of a model, and one head in detail."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from analysis import head_measures, strongest_pairs
from analysis.measures import MEASURES
from analysis.selection import region_of, whole
from analysis.truth import truth_of
from models import Attention, AttentionTrace, Model, Token
from models.model import READS_ITS_OWN
from ui.components import chart, flow_graph
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels import trace_request as runs
from ui.panels.controls import head_controls, model_controls, text_controls
from ui.panels.export import export_controls
from ui.panels.model_loading import open_model
from ui.panels.overview import overview
from ui.panels.picture_input import picture_controls
from ui.panels.regions import holds, keep_region, open_box, region_controls
from ui.panels.truth import heads_panel, task_panel
from ui.services.caches import remembered
from ui.services.settings import default_model
from ui.state import inspect as state
from ui.state.inspect import Choice
from viz import Look, heatmap, patches
from viz.figures.signal import is_signal, signal
from viz.figures.token_graph import pack_flow
from viz.view import TOKEN, flow_region, label

_STYLE = Path(__file__).parents[1] / "style.css"
PAIRS = 40
_ELSEWHERE = f"The {PAIRS} strongest pairs stand in the table, all of them in the CSV file under Export."


def page() -> None:
    """Text to tokens to trace to pictures, top to bottom."""
    st.html(_STYLE)
    told = state.ADDRESS.restore()
    model = _model()
    if model is None:
        state.ADDRESS.write()
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
        notices += [notice for notice in trace.notices if not (known and notice == READS_ITS_OWN)]
    for notice in notices:
        st.warning(escape_markdown(notice), icon=":material/info:")
    if trace is None:
        state.ADDRESS.write()
    else:
        task_panel(model, trace)
        _heads(model, trace)


def _model() -> Model | None:
    """Return the chosen model, else the last one that opened, else the server's own, with one sentence about why.

    None while it loads, or where none of them opens.
    """
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    left.markdown("# Headlight: what every attention head looks at")
    choice, session = state.chosen(), st.session_state
    wanted, problem = (choice.model, choice.revision), session.pop("opening problem", "")
    # A folder may have vanished since its model opened: then the last one does not open either.
    for name, revision in dict.fromkeys((wanted, session.get("opened", wanted), (default_model(), ""))):
        if (name, revision) != wanted:
            state.choose(model=name, revision=revision)
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
    session.opened = (session.model, session.revision)
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
    state.ADDRESS.now()
    att = trace[_keep_in_range(trace)]
    choice = state.chosen()
    look = choice.look()
    controls = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    with st.container(key="pictures"):
        left, detail = st.columns([6, 5], gap="medium")
        lines, numbers = st.columns([6, 5], gap="medium")
    shown = flow_region(att, look)
    with lines:
        st.markdown(f"## Token to token: layer {choice.layer}, head {choice.head}")
        flow_graph(pack_flow(att, choice.layer, choice.head, look), _lock)
        if shown != region_of(att, choice.region):
            st.caption(f"The flow shows {shown.named()}: open another region, or isolate a token elsewhere.")
    with detail:
        _heatmap(att, choice, look)
        region_controls(att, choice)
    with left:
        overview(att, (choice.layer, choice.head), look)
        if is_signal(att):
            _signal(att, choice, look)
    with controls:
        head_controls(trace, att, shown)
        export_controls(att, choice, look, trace.image)
    # The maps of a small model leave room below them.
    with left if model.card.task else numbers:
        if trace.image is not None:
            _patches(att, trace.image, choice, look)
    with numbers:
        _figures(att, choice)
        _pairs(att, choice)
        heads_panel(model, choice.layer, choice.head)
    if trace.image is not None:
        st.caption("The picture is in no link: the address restores everything but the picture.")
    elif not state.fits_link(choice):
        st.caption("The text is too long for a link: the address restores everything but the text.")
    state.ADDRESS.write()


def _keep_in_range(trace: AttentionTrace) -> str:
    """Move a choice that this model or text does not have to the nearest one that it has; return the kind."""
    session = st.session_state
    if session.kind not in trace.kinds:
        # Of a task's model, the attention that something is known about.
        shown = next((kind for kind in trace.kinds if truth_of(trace[kind]) is not None), trace.kinds[0])
        if session.kind:
            st.info(f"There is no {session.kind} attention here: {shown} attention is shown instead.")
        state.choose(kind=shown)
    att = trace[session.kind]
    keep_region(att)
    if session.token and not holds(whole(att), session.token):
        st.info(f"There is no token {session.token} here: the flow shows all tokens.")
        state.choose(token="")
    if session.token and not holds(region_of(att, session.region), session.token):
        st.info(f"The token {session.token} lies outside the region: the flow shows all of the region's tokens.")
        state.choose(token="")
    # In every run: another model gives the same token another name.
    session.token = session.token
    wanted, asked = (session.layer, session.head), not session.get(state.UNPLACED)
    session[state.UNPLACED] = False
    if session.layer >= att.n_layers:
        state.choose(layer=att.n_layers - 1)
    if session.head >= (n_heads := att.heads_in(session.layer)):
        state.choose(head=n_heads - 1)
    if asked and wanted != (session.layer, session.head):
        st.info(
            f"There is no layer {wanted[0]}, head {wanted[1]} here: "
            f"layer {session.layer}, head {session.head} is shown instead."
        )
    return session.kind


def _lock(token: str) -> None:
    state.choose(token=token if TOKEN.fullmatch(token) else "")


def _heatmap(att: Attention, choice: Choice, look: Look) -> None:
    figure = heatmap(att, choice.layer, choice.head, look=look)
    figure.layout.dragmode = "select"
    # What a visitor has zoomed to stays from head to head, as long as it is the same region of the same tokens.
    figure.layout.uirevision = str(hash((att.query_tokens, att.key_tokens, choice.region)))
    chart(
        figure,
        "heatmap",
        f"Heatmap of layer {choice.layer}, head {choice.head}. {_ELSEWHERE}",
        buttons=True,
        on_box=partial(open_box, att),
    )


def _patches(att: Attention, image: np.ndarray, choice: Choice, look: Look) -> None:
    """Show what the isolated query looks at, else the first token that the model adds, as light on the picture."""
    chart(
        patches(att, image, choice.layer, choice.head, look=look),
        "patches",
        f"The picture in the light of layer {choice.layer}, head {choice.head}. {_ELSEWHERE}",
    )
    st.caption("What gets no attention lies in the dark. Isolate a query to see what that patch looks at.")


def _signal(att: Attention, choice: Choice, look: Look) -> None:
    """Show what the isolated query looks at, else the last one, over the signal."""
    chart(
        signal(att, choice.layer, choice.head, look=look),
        "signal",
        f"The signal with the attention of layer {choice.layer}, head {choice.head}. {_ELSEWHERE}",
    )
    st.caption("Isolate a query to see what that place looks at.")


def _figures(att: Attention, choice: Choice) -> None:
    """Show the head's figures in one element: seven widgets of Streamlit would take longer than the pictures."""
    place = choice.layer, choice.head
    values = remembered(att, ("figures", *place), lambda: head_measures(att, *place))
    entries = "".join(
        f'<div title="{html.escape(meaning)}"><dt>{title}</dt><dd>{_shown(name, values[name])}</dd></div>'
        for name, (title, meaning) in MEASURES.items()
    )
    st.markdown(f"## Figures of layer {choice.layer}, head {choice.head}")
    # Titles are for a mouse alone; keys and fingers find the same below.
    meanings = "".join(f"<dt>{title}</dt><dd>{html.escape(meaning)}</dd>" for title, meaning in MEASURES.values())
    told = f"<details><summary>What these figures mean</summary><dl>{meanings}</dl></details>"
    st.html(f'<dl class="figures">{entries}</dl><div class="meanings">{told}</div>')


def _shown(name: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:.2f} bits" if name == "entropy" else f"{value:.1f} tokens" if name == "distance" else f"{value:.1%}"


def _pairs(att: Attention, choice: Choice) -> None:
    """Show the strongest pairs as a plain table: the picture's equal for readers who cannot see it."""
    region, place = region_of(att, choice.region), (choice.layer, choice.head)
    window = {"queries": region.queries, "keys": region.keys}
    pairs = remembered(att, ("pairs", *place, region), lambda: strongest_pairs(att, *place, PAIRS, **window))
    rows = "".join(
        f"<tr><td>{pair.query}</td><td>{_cell(att.query_tokens[pair.query])}</td>"
        f"<td>{pair.key}</td><td>{_cell(att.key_tokens[pair.key])}</td>"
        f'<td><meter min="0" max="1" value="{pair.weight:.4f}"></meter> {pair.weight:.4f}</td></tr>'
        for pair in pairs.itertuples()
    )
    head = "<tr><th></th><th>query</th><th></th><th>attends to key</th><th>weight</th></tr>"
    st.markdown("## Strongest pairs" + (f" of {region.named()}" if choice.region else ""))
    st.html(f'<div class="pairs" tabindex="0"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>')


def _cell(token: Token) -> str:
    return f'<span class="{"special" if token.special else ""}">{html.escape(label(token))}</span>'


page()
