"""A page's choices in the visitor's session: the one module that touches their keys in `st.session_state`.

A choice is a frozen dataclass (ui/state/link.py). Each field has a session key, the page's prefix and the field's
name, which is also the key of the widget that shows it.

Two facts about Streamlit explain the rest of this module.

- The server sends a widget its value only when the session key was written in this run. A value that is sent replaces
  what the visitor chooses while the run goes on, so that keys are written only when a value has changed, or when the
  names of a widget's options may have changed.
- The browser sends the values of all its widgets with every message. After a picture or a button has changed a choice
  on the server, a stale widget value would overwrite that change. Such changes are therefore pending until the browser
  has acknowledged them. The browser also sends its URL with every message, and the server makes it change the URL last
  in each run: the URL shows what the browser's widgets have received (`merge_pending`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.session_state import Serialized

from ui.components import address_bar
from ui.state import link

Choice = TypeVar("Choice")
# Give up waiting after this many seconds: a browser that cannot write its URL never acknowledges an update.
ACKNOWLEDGEMENT_TIMEOUT_SECONDS = 20.0
# The session's key, shared by all pages, of whether the browser sends the URL that the page has given it.
_URL_IS_FOLLOWED = "URL is followed"


@dataclass(frozen=True)
class PageState(Generic[Choice]):
    """The choices of one page.

    `of` is the dataclass of the choices; `prefix` stands before a field's name in the session's keys, and `page`
    before the name of everything else that is remembered for the page. `parse(query)` returns the choice that a link
    describes on this server, and one sentence for each parameter that is ignored.
    """

    page: str
    prefix: str
    of: type[Choice]
    parse: Callable[[Mapping[str, str]], tuple[Choice, list[str]]]

    def restore(self) -> list[str]:
        """Put the link's choice into the session, once; return the notices about the link.

        They are returned as long as the text or model that the link opened is the present one.
        """
        session = st.session_state
        if self._key("published") not in session:
            self._open(st.query_params.to_dict())
            session.update(self._texts_from_browser())
        choice = self.now()
        opened, notices = session[self._key("notices")]
        return list(notices) if opened == self._history_entry(choice) else []

    def now(self) -> Choice:
        """Return the choice as it is at this moment; to be called first in a run, and in callbacks, which precede it.

        A choice that was given to a callback when its button was drawn may be out of date: the visitor may have typed
        since. Values that are missing or impossible are replaced by those that were last published.
        """
        session = st.session_state
        free = link.names(self.of, "free")
        for name in link.names(self.of):
            value = session.get(self.prefix + name)
            if value is None:  # at first, and where a visitor emptied a number
                session[self.prefix + name] = getattr(self.last_published, name)
            elif name not in free and (possible := self._possible(name, value)) is not value:
                session[self.prefix + name] = possible
        self.merge_pending()
        return self.current()

    def current(self) -> Choice:
        """Return the choice that is in the session."""
        return self.of(**{name: st.session_state[self.prefix + name] for name in link.names(self.of)})

    def update(self, **values: Any) -> None:
        """Change some of the choices, for a picture or a button; their widgets in the browser receive them later."""
        self._write(values)
        st.session_state[self._key("pending")] = {**self.pending, **values}
        st.session_state[self._key("pending since")] = monotonic()

    def resend(self, *names: str) -> None:
        """Send widgets their present values again in this run, because their options may have other names now."""
        self._write({name: st.session_state[self.prefix + name] for name in names})

    def widget_args(self, name: str) -> dict[str, Any]:
        """Return the arguments of a widget that shows a choice; the session keeps it also while there is no widget."""
        return {"key": self.prefix + name, "persist_state": "session"}

    @property
    def last_published(self) -> Choice:
        """The choice when the URL was last written."""
        return st.session_state[self._key("published")]

    @property
    def pending(self) -> dict[str, Any]:
        """The changes by pictures and buttons that the browser has not acknowledged, by field; {} after the timeout."""
        session = st.session_state
        waited = monotonic() - session.get(self._key("pending since"), 0.0)
        return dict(session.get(self._key("pending"), {})) if waited < ACKNOWLEDGEMENT_TIMEOUT_SECONDS else {}

    def merge_pending(self) -> None:
        """Keep the changes by pictures and buttons, unless the visitor has chosen something else since.

        To be called before the choices are read, in every run. A value that is still the one of the browser's URL
        comes from a widget that has not received the change; any other value is the visitor's own.
        """
        session, context, pending = st.session_state, get_script_run_ctx(), self.pending
        if not pending or context is None:
            return
        in_browser = dict(parse_qsl(context.query_string, keep_blank_values=True))
        if not session.get(_URL_IS_FOLLOWED):
            # Until the server changes the query, a browser sends the URL that it opened (viz/browser/page/address.js).
            session[_URL_IS_FOLLOWED] = True
            st.query_params.clear()
        in_session = link.format(self.current())
        for name, value in list(pending.items()):
            key, is_old = self.prefix + name, in_session.get(name) == in_browser.get(name)
            if session[key] != value and is_old:
                session[key] = value
            elif session[key] != value or is_old:
                del pending[name]
        session[self._key("pending")] = pending

    def publish(self) -> None:
        """Make the URL describe the present choice, and remember it for the next visit of the page; last in a run."""
        choice, session = self.current(), st.session_state
        session[self._key("published")] = choice
        session[self._key("pending")] = {name: getattr(choice, name) for name in self.pending}
        # The texts may be a megabyte: the browser needs to know only whether they are others.
        entry = str(hash(self._history_entry(choice)))
        address_bar(urlencode(link.format(choice)), entry, session.get(self._key("went"), 0), self._go)

    def _go(self, query: str, number: int) -> None:
        """Choose what an earlier URL describes, for the whole page: the browser went back or forward."""
        self.update(**vars(self._open(dict(parse_qsl(query, keep_blank_values=True)))))
        st.session_state[self._key("went")] = number
        st.rerun()

    def _open(self, query: Mapping[str, str]) -> Choice:
        choice, notices = self.parse(query)
        st.session_state[self._key("published")] = choice
        st.session_state[self._key("notices")] = self._history_entry(choice), notices
        return choice

    def _history_entry(self, choice: Choice) -> tuple[Any, ...]:
        """Return the values whose change adds an entry to the browser's history."""
        return tuple(getattr(choice, name) for name in link.names(self.of, "adds_history"))

    def _texts_from_browser(self) -> dict[str, str]:
        """Return the texts in the boxes of a browser whose page this session has not drawn yet, by session key.

        A page that was open when the server was restarted sends them; a long text is in no link.
        """
        context = get_script_run_ctx()
        states = context.session_state._state._new_widget_state.states if context is not None else {}
        keys, found = {self.prefix + name for name in link.names(self.of, "free")}, {}
        for identity, state in states.items():
            key = identity.split("-", 2)[-1]  # Streamlit: a prefix, a hash and the key
            # Streamlit reads what a browser sent only when the widget is drawn.
            if key in keys and isinstance(state, Serialized) and state.value.WhichOneof("value") == "string_value":
                found[key] = state.value.string_value
        return found

    def _possible(self, name: str, value: Any) -> Any:
        """Return a widget's value, or the last published one if it was never offered: Streamlit accepts any value."""
        kind = link.kind_of(self.of, name)
        try:
            readable = kind.read(kind.write(value), self.last_published)
        except ValueError:
            return getattr(self.last_published, name)
        return value if type(value) is type(readable) else readable

    def _write(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            st.session_state[self.prefix + name] = value

    def _key(self, name: str) -> str:
        """Return the session's key of what the page remembers besides the choices."""
        return f"{self.page} {name}"
