"""A page's choice, kept in the session and described by the address: one mechanism for all pages.

A choice is a frozen dataclass; each field is a URL parameter of the same name and, behind the page's prefix, a key of
the session, so that widgets can hold it.

A widget is told its value only when that has changed (or in every run, where its options change their names): what is
told in a run takes back what a visitor chooses while it goes on. And a browser sends the values of all widgets with
every message: those that have not heard of what a picture or a button chose would take that back. The address comes
with each message too; it is written last, so that it says what the visitor's widgets had heard of (`settle`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from time import monotonic
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.session_state import Serialized

from ui.components import address_bar

Choice = TypeVar("Choice")
# So many seconds a browser is waited for; one that may not write its address never says what it has heard of.
PATIENCE = 20.0


def read_link(
    standard: Choice, parameters: Mapping[str, str], parsed: Callable[[str, str, Choice], Any]
) -> tuple[Choice, list[str]]:
    """Return the choice that a link's parameters make of a standard one, and one sentence for each that is ignored.

    `parsed(name, value, choice)` returns a field's value, given those of the fields before it, or raises a ValueError
    whose message is a clause that says why not.
    """
    choice, names = standard, [field.name for field in fields(standard)]
    notices = [
        f"The link's {name[:40]!r} is ignored: there is no such parameter."
        for name in parameters
        if name not in names and not name.startswith("embed")  # Streamlit's own
    ]
    for name in names:
        if name in parameters:
            try:
                choice = replace(choice, **{name: parsed(name, parameters[name], choice)})
            except ValueError as error:
                notices.append(f"The link's {name} is ignored: {error}.")
    return choice, notices


@dataclass(frozen=True)
class Address(Generic[Choice]):
    """What a page keeps of its visitor: `of` is the choice's class, `prefix` stands before the session's keys.

    `free` are the fields that hold whatever a visitor types or edits; `parsed` returns the value of a field in a link.
    `from_link` returns the choice that a link's parameters describe, and one sentence for each that is ignored;
    `to_link` the parameters that restore a choice; `step` what Back goes back over, and other changes do not.
    """

    page: str
    prefix: str
    of: type[Choice]
    free: tuple[str, ...]
    parsed: Callable[[str, str, Choice], Any]
    from_link: Callable[[Mapping[str, str]], tuple[Choice, list[str]]]
    to_link: Callable[[Choice], dict[str, str]]
    step: Callable[[Choice], object]

    def restore(self) -> list[str]:
        """Put the link's choice into the session, once; return what the visitor should know of the link.

        What is told of a link is over with the text or model that it opened.
        """
        session = st.session_state
        if self._key("kept") not in session:
            self._open(st.query_params.to_dict())
            session.update(self._brought())
        choice = self.now()
        step, notices = session[self._key("told")]
        return notices if step == self.step(choice) else []

    def now(self) -> Choice:
        """Return the choice as it is at this moment, for the start of a run and for callbacks, which come before it.

        What a callback is given when its button is drawn is the choice of that run: a visitor may have typed since.
        """
        session = st.session_state
        for name in self.of.__dataclass_fields__:
            key, value = self.prefix + name, session.get(self.prefix + name)
            if value is None:  # at first, and where a visitor emptied a number
                session[key] = getattr(self.kept, name)
            elif name not in self.free and (possible := self._possible(name, value)) is not value:
                session[key] = possible
        self.settle()
        return self.chosen()

    def held(self, name: str) -> dict[str, str]:
        """Return the arguments of a widget that holds one of the choices, also while it is not shown."""
        return {"key": self.prefix + name, "persist_state": "session"}

    def chosen(self) -> Choice:
        """Return the session's present choice."""
        session = st.session_state
        return self.of(**{name: session[self.prefix + name] for name in self.of.__dataclass_fields__})

    @property
    def kept(self) -> Choice:
        """What was chosen when the address was last written."""
        return st.session_state[self._key("kept")]

    def choose(self, **values: Any) -> None:
        """Change some of the choices, for a picture or a button: widgets in the browser hear of it later."""
        for name, value in values.items():
            st.session_state[self.prefix + name] = value
        st.session_state[self._key("unheard")] = {**self._not_heard_of(), **values}
        st.session_state[self._key("unheard since")] = monotonic()

    def settle(self) -> None:
        """Keep what was chosen for a picture or a button, unless the visitor has chosen something else since.

        To be called before the choices are read, in every run: a value that is still the one of the browser's address
        comes from a widget that has not heard; any other is the visitor's own.
        """
        session, context, unheard = st.session_state, get_script_run_ctx(), self._not_heard_of()
        if not unheard or context is None:
            return
        heard = dict(parse_qsl(context.query_string, keep_blank_values=True))
        if not session.get("address is followed"):
            # A browser sends the address that it opened until it is told of another (ui/components/address.js).
            session["address is followed"] = True
            st.query_params.clear()
        now = self.to_link(self.chosen())
        for name, value in list(unheard.items()):
            key, is_old = self.prefix + name, now.get(name) == heard.get(name)
            if session[key] != value and is_old:
                session[key] = value
            elif session[key] != value or is_old:
                del unheard[name]
        session[self._key("unheard")] = unheard

    def _brought(self) -> dict[str, str]:
        """Return the texts that a browser has in the boxes of a page that this session has not drawn yet, by key.

        A page that was open when the server was started anew brings them along; a long text is in no link.
        """
        context = get_script_run_ctx()
        states = context.session_state._state._new_widget_state.states if context is not None else {}
        keys, found = {self.prefix + name for name in self.free}, {}
        for identity, state in states.items():
            key = identity.split("-", 2)[-1]  # Streamlit: a prefix, a hash and the key
            # What a browser sent is not read until its widget is drawn.
            if key in keys and isinstance(state, Serialized) and state.value.WhichOneof("value") == "string_value":
                found[key] = state.value.string_value
        return found

    def _possible(self, name: str, value: Any) -> Any:
        """Return a choice of a widget, the one before where it was never offered: Streamlit takes any that is sent."""
        written = self.to_link(replace(self.kept, **{name: value})).get(name)
        if written is None:  # the standard, or too long for a link
            return value
        try:
            parsed = self.parsed(name, written, self.kept)
        except ValueError:
            return getattr(self.kept, name)
        return value if type(value) is type(parsed) else parsed

    def _not_heard_of(self) -> dict[str, Any]:
        session = st.session_state
        waited = monotonic() - session.get(self._key("unheard since"), 0.0)
        return dict(session.get(self._key("unheard"), {})) if waited < PATIENCE else {}

    def write(self) -> None:
        """Make the address describe the present choice, and keep it for when the page is left; last in a run."""
        choice, session = self.chosen(), st.session_state
        session[self._key("kept")] = choice
        session[self._key("unheard")] = {name: getattr(choice, name) for name in self._not_heard_of()}
        # A step may be a megabyte of text: the browser needs to know only whether it is another one.
        step = str(hash(self.step(choice)))
        address_bar(urlencode(self.to_link(choice)), step, session.get(self._key("went"), 0), self._go)

    def _go(self, query: str, number: int) -> None:
        """Choose what an earlier address describes, for the whole page."""
        choice = self._open(dict(parse_qsl(query, keep_blank_values=True)))
        self.choose(**vars(choice))
        st.session_state[self._key("went")] = number
        st.rerun()

    def _open(self, parameters: Mapping[str, str]) -> Choice:
        choice, notices = self.from_link(parameters)
        st.session_state[self._key("kept")] = choice
        st.session_state[self._key("told")] = self.step(choice), notices
        return choice

    def _key(self, name: str) -> str:
        """Return the session's key of what the page remembers besides the choices."""
        return f"{self.page} {name}"
