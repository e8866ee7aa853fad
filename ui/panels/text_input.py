"""The text of the Inspect page: typed, or one of the examples; with a second text or a target."""

from __future__ import annotations

import streamlit as st

from analysis.truth import task_of
from models import Model
from ui.messages import escape_markdown
from ui.state.inspect import DEFAULT_TEXT, INSPECT, MOST_GENERATED

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


def text_input(model: Model) -> None:
    """Show the text box and the examples, and a second text or a target if the model reads one."""
    st.text_area(
        "Text to inspect",
        **INSPECT.widget_args("text"),
        on_change=forget_positions,
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
        examples = EXAMPLES if task is None else {_shorten(text): text for text in task.examples}
        for name, text in examples.items():
            st.button(name, key=f"example {name}", on_click=use_text, args=(text,), type="tertiary", help=text)
        if model.card.writes:
            st.number_input(
                "Continue with tokens",
                0,
                MOST_GENERATED,
                **INSPECT.widget_args("generate"),
                on_change=forget_positions,
                width=170,
                help="The model continues the text greedily. A line in the pictures separates its tokens from yours.",
            )
        elif INSPECT.current().generate:
            INSPECT.update(generate=0)
        if "encoder" in model.card.kinds and "cross" not in model.card.kinds and task is None:
            pair = INSPECT.current().pair
            name = f"Second text: {escape_markdown(_shorten(pair))}" if pair else "Second text"
            with st.popover(name, key="second text", help="A pair of segments, as BERT was trained on."):
                st.text_input("Second text", **INSPECT.widget_args("pair"))


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1].rstrip() + "…"


def use_text(text: str) -> None:
    """Make another text the chosen one, without a second text or a target."""
    INSPECT.update(text=text, pair="", target="")
    forget_positions()


def forget_positions() -> None:
    """Show all tokens and the whole head: positions belong to one text."""
    INSPECT.update(token="", region="")
