"""The text that a model reads: typed, or one of the examples; with a second sentence, a target, or several texts."""

from __future__ import annotations

import streamlit as st

from analysis.truth import task_of
from models import Model
from ui.messages import escape_markdown
from ui.panels.conversation import (
    conversation_as_json,
    conversation_editor,
    conversation_switch,
    reads_conversation,
)
from ui.panels.examples import Example, example_of, examples_for
from ui.state.inspect import INSPECT, MOST_GENERATED, first_generate, first_text

# An entry of the menu is cut here.
LONGEST_NAME = 60
ALL_EXAMPLES = "All of these, one per line"


def text_input(model: Model, verb: str = "Inspect", *, all_lines: bool = False) -> None:
    """Show the text box, the examples and the further inputs that the model has, in one row; or a conversation.

    `verb` is on the button. A page that shows `all_lines` at once offers them beside the text.
    """
    if conversation_switch(model):
        conversation_editor(_more_inputs, model, verb)
        return
    with st.container(key="text-row", horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_area(
            f"Text to {verb.lower()}",
            **INSPECT.widget_args("text"),
            height="content",
            placeholder="Type or paste a sentence, then press Ctrl+Enter",
            label_visibility="collapsed",
        )
        st.button(verb, type="primary", key="inspect", help="Ctrl+Enter in the text does the same.")
        _examples(model, all_lines)
        _more_inputs(model, lines=not all_lines)
        if all_lines:
            _lines_toggle("Each line is a text of its own: the page shows the mean over all texts, and the spread.")


def _examples(model: Model, all_lines: bool) -> None:
    task = task_of(model)
    examples = examples_for(INSPECT.current().model)
    names = [each.name for each in examples] if task is None else [_shorten(text) for text in task.examples]
    if not names:
        return
    together = [ALL_EXAMPLES] if all_lines and len(names) > 1 else []

    def chosen() -> None:
        name = st.session_state["examples"]
        if name in together:
            use_text("\n".join(task.examples if task is not None else (each.text for each in examples)))
            INSPECT.update(lines=True, generate=0)
        if name not in names:
            return
        number = names.index(name)
        if task is None:
            use_example(examples[number])
        else:
            use_text(task.examples[number])

    st.menu_button("Examples", [*names, *together], key="examples", on_click=chosen)


def _lines_toggle(help_text: str) -> None:
    st.toggle("One text per line", **INSPECT.widget_args("lines"), help=help_text)


def _more_inputs(model: Model, *, lines: bool = True) -> None:
    """Show what else the model reads: a target, tokens to continue with, a sentence pair; and several `lines`."""
    cross, writes = "cross" in model.card.kinds, model.card.writes
    if not writes and INSPECT.current().generate:
        INSPECT.update(generate=0)
    # The popover hides what else the model reads.
    chats = reads_conversation(model)
    help_text = "A sentence pair, several texts, languages, and what the model continues."
    with st.popover(_label(model), key="more inputs", help=help_text):
        if cross:
            st.text_input(
                "Target: what the decoder reads",
                **INSPECT.widget_args("target"),
                help="Without it, the decoder reads what it generates.",
            )
        if writes:
            st.number_input(
                "Continue with tokens",
                0,
                MOST_GENERATED,
                **INSPECT.widget_args("generate"),
                help="The model continues the text greedily. A line in the pictures separates its tokens from yours.",
            )
        if chats:
            conversation_as_json()
            return
        if "encoder" in model.card.kinds and not cross and task_of(model) is None:
            st.text_input(
                "Sentence pair: the second sentence",
                **INSPECT.widget_args("pair"),
                help="The model reads both as one sequence of two segments, as BERT was trained.",
            )
        _languages(model, cross)
        st.toggle(
            "Add special tokens",
            **INSPECT.widget_args("add_special_tokens"),
            help="Off, the model reads only what the text says: for a text that contains its start token itself.",
        )
        if lines:
            _lines_toggle("Each line is a text of its own: choose between them, and rank heads over all of them.")


def _label(model: Model) -> str:
    """Return what the popover, which hides it, makes the model read beside the text."""
    choice = INSPECT.current()
    pair = "" if reads_conversation(model) else choice.pair
    parts = [code for code in (choice.src_lang, choice.tgt_lang) if code in model.languages]
    if not choice.add_special_tokens:
        parts.append("no special tokens")
    first = f"Sentence pair: {escape_markdown(_shorten(pair))}" if pair else "More"
    if not parts:
        return first
    return f"{first}{';' if pair else ':'} {', '.join(parts)}"


def _languages(model: Model, cross: bool) -> None:
    """Let the visitor choose the languages of a translation, if the tokenizer has languages."""
    known = model.languages
    if not known:
        return
    sides = (("src_lang", "Language of the text"), ("tgt_lang", "Language of the target"))
    for name, label in sides if cross else sides[:1]:
        if getattr(INSPECT.current(), name) not in known:
            INSPECT.update(**{name: ""})
        st.selectbox(
            label,
            ["", *known],
            **INSPECT.widget_args(name),
            format_func=lambda code: code or "The tokenizer's own",
        )


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1].rstrip() + "…"


def use_text(text: str) -> None:
    """Make another text the chosen one, with special tokens and without a second sentence or a target."""
    INSPECT.update(text=text, pair="", target="", add_special_tokens=True, sentence=0)


def use_first_text(model: str) -> None:
    """Make the text with which a model opens the chosen one, with its continuation."""
    use_text(first_text(model))
    INSPECT.update(generate=first_generate(model))


def use_example(example: Example) -> None:
    """Show an example: its text, and the head and pair that show its point if this model's heads are known."""
    use_text(example.text)
    INSPECT.update(lines=False, generate=example.generate)
    if example_of(INSPECT.current().model, example.text):
        INSPECT.select(**example.selection)
