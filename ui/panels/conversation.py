"""The conversation that a model reads: an editor of messages with roles, for models with a chat template."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from secrets import randbelow

import streamlit as st

from models import HeadlightError, Model
from models.conversation import ASSISTANT, parse_messages, write_messages
from ui.state.inspect import FIRST_TEXTS, INSPECT, first_text

ROLES = ("system", "user", ASSISTANT, "tool")
TEXT, CONVERSATION = "Text", "Conversation"
# A longer conversation is edited as JSON: each message is a row of widgets.
MOST_ROWS = 24
_MOST_STARTS = 1_000_000
_TOKENS_OF_AN_ANSWER = 8
_SURROGATES = re.compile("[\ud800-\udfff]")
EXAMPLES: dict[str, list[tuple[str, str]]] = {
    "A question": [("user", "What is the capital of France?")],
    "A system prompt": [("system", "You answer in one word."), ("user", "What is the capital of France?")],
    "A second turn": [
        ("user", "My cat is called Minka."),
        (ASSISTANT, "What a nice name for a cat!"),
        ("user", "What is my cat called?"),
    ],
    "An answer to continue": [("user", "What is the capital of France?"), (ASSISTANT, "The capital of France is")],
}
# The session's keys: the editor's state, and the conversation that was left for a text.
_EDITOR, _LEFT, _SWITCH = "conversation editor", "conversation left", "conversation or text"

Messages = list[tuple[str, str]]


@dataclass(frozen=True)
class _Editor:
    """What the rows of widgets show. Other messages get other widgets, because the browser sends old values again."""

    written: str
    generation: int = 0

    def key(self, number: int, part: str) -> str:
        """Return the key of a widget of one message."""
        return f"message {self.generation} {number} {part}"


def reads_conversation(model: Model) -> bool:
    """Return whether the page shows a conversation: the visitor has chosen one, and the model has a template for it."""
    return model.card.chats and bool(INSPECT.current().messages)


def written_messages() -> str:
    """Return the conversation as JSON. A last message that is still empty is a row to type in, and is not read yet."""
    written = INSPECT.current().messages
    messages = _read(written)
    return write_messages(messages[:-1]) if len(messages) > 1 and not messages[-1][1].strip() else written


def conversation_switch(model: Model) -> bool:
    """Let the visitor choose between a text and a conversation, and return whether it is a conversation.

    A model without a chat template reads texts only.
    """
    if not model.card.chats:
        return False
    st.session_state[_SWITCH] = CONVERSATION if INSPECT.now().messages else TEXT
    st.segmented_control(
        "What the model reads",
        (TEXT, CONVERSATION),
        key=_SWITCH,
        required=True,
        on_change=_change_reading,
        label_visibility="collapsed",
        help="A conversation becomes a text by the model's own chat template.",
    )
    return reads_conversation(model)


def _change_reading() -> None:
    chosen, messages = st.session_state.get(_SWITCH), INSPECT.now().messages
    if chosen == CONVERSATION and not messages:
        INSPECT.update(messages=st.session_state.get(_LEFT) or _first_conversation())
    elif chosen == TEXT and messages:
        st.session_state[_LEFT] = messages
        INSPECT.update(messages="")


def _first_conversation() -> str:
    """Return what the visitor's text says as a message; a question, if the text is the one that the model opens with.

    That text breaks off in a word, for the model to continue it. The answer to the question has eight tokens.
    """
    choice = INSPECT.now()
    if choice.model not in FIRST_TEXTS or choice.text != first_text(choice.model):
        return write_messages([("user", choice.shown_text)])
    INSPECT.update(generate=_TOKENS_OF_AN_ANSWER)
    return write_messages(next(iter(EXAMPLES.values())))


def conversation_editor(more_inputs: Callable[[Model], None], model: Model, verb: str) -> None:
    """Show a row for each message, and below them what adds and replaces messages; `more_inputs` shows the rest."""
    written = INSPECT.current().messages
    messages = _read(written)
    editor = st.session_state.get(_EDITOR)
    if not isinstance(editor, _Editor) or editor.written != written:
        # After a restart of the server, the browser still sends the widgets of the session before.
        editor = _Editor(written, editor.generation + 1 if isinstance(editor, _Editor) else randbelow(_MOST_STARTS))
        st.session_state[_EDITOR] = editor
    rows = messages if len(messages) <= MOST_ROWS else []
    with st.container(key="conversation", gap="xsmall"):
        for number, (role, content) in enumerate(rows):
            _row(editor, number, role, content, only=len(rows) == 1)
        if messages and not rows:
            st.caption(f"The conversation has {len(messages):,} messages: edit it as JSON, under More.")
    with st.container(key="conversation-row", horizontal=True, vertical_alignment="bottom", gap="small"):
        st.button(verb, type="primary", key="inspect", help="Ctrl+Enter in a message does the same.")
        if rows or not messages:
            st.button("Add message", key="add message", icon=":material/add:", on_click=_add)
        st.menu_button("Examples", list(EXAMPLES), key="conversation examples", on_click=_use_example)
        more_inputs(model)


def _row(editor: _Editor, number: int, role: str, content: str, *, only: bool) -> None:
    roles = ROLES if role in ROLES else (*ROLES, role)
    keys = {part: editor.key(number, part) for part in ("role", "text")}
    for part, value in (("role", role), ("text", content)):
        if keys[part] not in st.session_state:
            st.session_state[keys[part]] = value
    with st.container(key=f"message-row-{number}", horizontal=True, vertical_alignment="top", gap="small"):
        st.selectbox(
            f"Role of message {number + 1}",
            roles,
            key=keys["role"],
            width=130,
            label_visibility="collapsed",
            on_change=_edit,
        )
        st.text_area(
            f"Message {number + 1}",
            key=keys["text"],
            height="content",
            placeholder="What is said",
            label_visibility="collapsed",
            on_change=_edit,
        )
        st.button(
            "Remove",
            key=editor.key(number, "remove"),
            disabled=only,
            on_click=_remove,
            args=(number,),
        )


def conversation_as_json() -> None:
    """Show the whole conversation as JSON, to copy it or to paste another one."""
    st.text_area(
        "Conversation as JSON",
        **INSPECT.widget_args("messages"),
        height=120,
        help='A list of messages: [{"role": "user", "content": "Hello"}], or pairs: [["user", "Hello"]].',
    )


def _edit() -> None:
    """Take over what the visitor has typed or chosen in the rows; the rows keep their widgets."""
    editor = st.session_state.get(_EDITOR)
    messages = _read(INSPECT.now().messages)
    if not isinstance(editor, _Editor) or editor.written != INSPECT.now().messages:
        return  # the visitor went back meanwhile: the rows are of another conversation
    for number, (role, content) in enumerate(messages):
        chosen = st.session_state.get(editor.key(number, "role"), role)
        typed = st.session_state.get(editor.key(number, "text"), content)
        messages[number] = (chosen if chosen in (*ROLES, role) else role, typed if isinstance(typed, str) else content)
    written = write_messages(messages)
    st.session_state[_EDITOR] = _Editor(written, editor.generation)
    INSPECT.update(messages=written)


def _add() -> None:
    messages = _read(INSPECT.now().messages)
    role = ASSISTANT if messages and messages[-1][0] == "user" else "user"
    INSPECT.update(messages=write_messages([*messages, (role, "")]))


def _remove(number: int) -> None:
    messages = _read(INSPECT.now().messages)
    if len(messages) > 1 and number < len(messages):
        INSPECT.update(messages=write_messages([*messages[:number], *messages[number + 1 :]]))


def _use_example() -> None:
    example = EXAMPLES.get(str(st.session_state.get("conversation examples")))
    if example:
        INSPECT.update(messages=write_messages(example))


def _read(written: str) -> Messages:
    """Return the messages, none if the visitor has typed something else as JSON: the trace says why then."""
    try:
        # JSON may contain halves of characters, which Streamlit cannot send.
        return [(role, _SURROGATES.sub("\ufffd", content)) for role, content in parse_messages(written)]
    except HeadlightError:
        return []
