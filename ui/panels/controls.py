"""The ordinary controls: model, text, and what of it is shown."""

from __future__ import annotations

import streamlit as st

from analysis.selection import Region
from analysis.truth import task_of, truth_of
from models import Attention, AttentionTrace, Model
from models.checkpoints import bundled
from models.scratch import trained
from models.scratch.tasks import TASKS, Task
from ui.messages import escape_markdown
from ui.services.settings import allowed_models
from ui.state.inspect import AUTOMATIC, DEFAULT_TEXT, INSPECT, MOST_GENERATED, first_text, forget_head
from viz.colours import CONTRASTS, PALETTES
from viz.labels import label, tokens_in

EXAMPLES = {
    "Coreference": DEFAULT_TEXT,
    "The trophy": "The trophy does not fit in the suitcase because it is too big.",
    "Two banks": "She sat on the bank of the river and thought about the bank that held her money.",
    "Agreement": "The keys to the cabinet that the man bought are on the table.",
    "Repetition": "To be, or not to be, that is the question.",
    "Rare words": "Unbelievably, the neurophysiologist misdiagnosed pneumonoultramicroscopicsilicovolcanoconiosis.",
}
# A button's label; the whole text is its help.
LONGEST_NAME = 44
_CONTRAST_NAMES = {"linear": "linear", "root": "square root"}


def model_controls(model: Model, problem: str) -> bool:
    """Show which model is open, and let another be opened; return whether a problem was told beside the name.

    What was typed stands apart from what is open: who mistyped a name corrects it. While the popover is open, it hides
    whatever the page says below.
    """
    card, session, choice = model.card, st.session_state, INSPECT.current()
    popover = st.popover("Model", icon=":material/deployed_code:", width="stretch", key="models", on_change="rerun")
    if session.get("typed for") != (choice.model, choice.revision) or "typed model" not in session:
        session["typed model"], session["typed revision"] = session["typed for"] = (choice.model, choice.revision)
    with popover:
        allowed = allowed_models()
        if allowed is None:
            st.text_input(
                "Model: bundled name, hub id, or folder",
                key="typed model",
                on_change=_open_typed,
                help=f"Bundled: {', '.join(bundled.NAMES)}. A hub id such as google-bert/bert-base-uncased is fetched "
                "once. A folder is one that save_pretrained made, with its tokenizer.",
            )
            st.text_input("Revision (branch, tag or commit of a hub id)", key="typed revision", on_change=_open_typed)
        else:
            st.selectbox("Model", allowed, key="typed model", on_change=_open_typed)
        if problem and popover.open:
            st.error(escape_markdown(problem), icon=":material/error:")
        _trained_here([name for name in trained.names() if allowed is None or name in allowed])
        proof = (
            f"replayed from queries and keys; worst difference from the model's own eager weights {card.proof:.1g}"
            if card.capture == "replayed"
            else "given by the model itself (output_attentions), since its family has no attention interface"
        )
        longest = "no limit" if card.max_tokens is None else f"{card.max_tokens:,} tokens at once"
        st.caption(f"{card.architecture}, {' and '.join(card.kinds)} attention, {longest}. Weights: {proof}.")
    return popover.open


def _open_typed() -> None:
    """Open the model that was named; a text that was there for another model gives way to one that this can read."""
    session, before = st.session_state, INSPECT.current()
    name = session["typed model"].strip()
    # Where the operator lists the models, the list has the revision too, and there is no box for it.
    revision = session.get("typed revision", "").strip() if allowed_models() is None else ""
    # Another model may have other kinds of attention; which one was looked at here says nothing of it.
    INSPECT.update(model=name, revision=revision, kind="")
    forget_head()
    _forget_places()
    if name.startswith(trained.PREFIX) or before.text == first_text(before.model):
        _use(first_text(name))


def _trained_here(names: list[str]) -> None:
    """Offer the models that were trained here, each with a text of its task."""
    if not names:
        return
    st.caption("Trained here, where it is known what the model has to do:")
    with st.container(horizontal=True, gap="small"):
        for name in names:
            task = TASKS[name.removeprefix(trained.PREFIX)]
            st.button(task.title, key=f"open {name}", on_click=_open, args=(name, task), help=task.rule)


def _open(name: str, task: Task) -> None:
    """Open a model that was trained here, with a text that it can read, at the head that solves its task."""
    INSPECT.update(model=name, revision="", kind=task.kind)
    forget_head()
    _use(first_text(name))


def text_controls(model: Model) -> None:
    """Let a text be typed or chosen; a second text or a target where the model takes one."""
    st.text_area(
        "Text to inspect",
        **INSPECT.widget_args("text"),
        on_change=_forget_places,
        height=82,
        placeholder="Type or paste a sentence, then press Ctrl+Enter",
        help="Ctrl+Enter inspects.",
    )
    if "cross" in model.card.kinds:
        st.text_input(
            "Target: what the decoder reads",
            **INSPECT.widget_args("target"),
            help="Without it, the decoder reads what it generates.",
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("Inspect", type="primary", key="inspect")
        task = task_of(model)
        examples = EXAMPLES if task is None else {_shortened(text): text for text in task.examples}
        for name, text in examples.items():
            st.button(name, key=f"example {name}", on_click=_use, args=(text,), type="tertiary", help=text)
        if model.card.writes:
            st.number_input(
                "Continue with tokens",
                0,
                MOST_GENERATED,
                **INSPECT.widget_args("generate"),
                on_change=_forget_places,
                width=170,
                help="The model goes on writing, greedily; its own tokens are told apart by a line in the pictures.",
            )
        elif INSPECT.current().generate:
            INSPECT.update(generate=0)
        if "encoder" in model.card.kinds and "cross" not in model.card.kinds and task is None:
            pair = INSPECT.current().pair
            name = f"Second text: {escape_markdown(_shortened(pair))}" if pair else "Second text"
            with st.popover(name, key="second text", help="A pair of segments, as BERT was trained on."):
                st.text_input("Second text", **INSPECT.widget_args("pair"))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1].rstrip() + "…"


def _use(text: str) -> None:
    INSPECT.update(text=text, pair="", target="")
    _forget_places()


def _forget_places() -> None:
    INSPECT.update(token="", region="")


def head_controls(trace: AttentionTrace, att: Attention, shown: Region) -> None:
    """Let kind, layer, head, threshold, colours and the token to isolate be chosen, which is one of those shown."""
    if len(trace.kinds) > 1:
        st.selectbox("Attention", trace.kinds, **INSPECT.widget_args("kind"), width=130)
    st.selectbox("Layer", range(att.n_layers), **INSPECT.widget_args("layer"), width=95)
    st.selectbox("Head", range(att.heads_in(INSPECT.current().layer)), **INSPECT.widget_args("head"), width=95)
    st.slider(
        "Flow threshold",
        0.0,
        1.0,
        step=0.01,
        **INSPECT.widget_args("threshold"),
        width=200,
        help="Lines below this weight are left out; the flow says how much attention stays.",
    )
    st.selectbox("Colours", (AUTOMATIC, *PALETTES), **INSPECT.widget_args("palette"), width=140)
    st.selectbox(
        "Contrast",
        tuple(CONTRASTS),
        **INSPECT.widget_args("contrast"),
        width=140,
        format_func=_CONTRAST_NAMES.__getitem__,
        help="With square root, colour and opacity follow the root of the weight, which shows weak attention.",
    )
    if truth_of(att) is not None:
        st.toggle("Truth", **INSPECT.widget_args("truth"), help="Outline where the right answer stands.")
    names = {"": "all tokens", **tokens_by_name(att, shown)}
    st.selectbox(
        "Isolate",
        tuple(names),
        **INSPECT.widget_args("token"),
        width=140,
        format_func=lambda name: names.get(name, name),
        help="Shows the flow of one token alone, as a click on it does.",
    )


def tokens_by_name(att: Attention, region: Region) -> dict[str, str]:
    """Return the names ("query:8") of a region's tokens with what a person calls them."""
    queries, keys = tokens_in(att, region)
    sides = (("query", queries, region.queries), ("key", keys, region.keys))
    return {
        f"{side}:{position}": f"{label(token)} ({side} {position})"
        for side, tokens, span in sides
        for position, token in zip(span, tokens, strict=True)
    }
