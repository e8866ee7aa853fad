"""A page's choices in the visitor's session: the one module that touches their keys in `st.session_state`.

A choice is a frozen dataclass (ui/state/link.py). The session has one for each page, and one writer for each field
(docs/decisions/0019).

- The server owns a field that an ordinary widget shows. The browser sends the values of all its widgets with every
  message, also values from before a change by the server. After such a change the field therefore has another widget,
  with another key: `text`, then `text#1`, `text#2`. A value under an earlier key counts only if it differs from what
  that widget showed: then the visitor has changed it since.
- The browser owns a selection. It reports its choice (`receive`), and the server keeps a copy that it never sends back.
  The server's own choice of a selection is an opening (`select`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_urlsafe
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from ui.components import address_bar
from ui.state import link, open_page
from viz.wire.instrument import Opening

Choice = TypeVar("Choice")
# The session's key of the page that was drawn last.
_DRAWN = "page drawn"
# A browser is hardly ever more changes of the server behind.
_EARLIER_WIDGETS = 4
# A browser counts with floats, which have all whole numbers up to this one.
_LARGEST_NUMBER = 2**53


@dataclass
class _Memory(Generic[Choice]):
    """What the session remembers of a page."""

    choice: Choice
    # Sentences about the link that was opened last, and the text and model that it opened.
    notices: tuple[str, ...] = ()
    linked: tuple[Any, ...] = ()
    # For each field: how often its widget was replaced, and what the widgets before it showed, by key.
    generations: dict[str, int] = field(default_factory=dict)
    earlier: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    # Number of the last Back or Forward, and of the last selection that the browser has reported.
    went: int = 0
    received: int = 0
    opening: Opening = field(default_factory=partial(Opening, "", ""))


@dataclass(frozen=True)
class PageState(Generic[Choice]):
    """The choices of one page.

    `of` is the dataclass of the choices; `prefix` stands before a field's name in the keys of widgets, and `page` names
    the page in the session. `parse(query)` returns the choice that a link describes on this server, and one sentence
    for each parameter that is ignored. A page that `reads` what another page has chosen shows the widgets of that page;
    its links have the fields of both that the server owns, whose names differ.
    """

    page: str
    prefix: str
    of: type[Choice]
    parse: Callable[[Mapping[str, str]], tuple[Choice, list[str]]]
    reads: PageState[Any] | None = None

    def restore(self) -> list[str]:
        """Put the link's choice into the session, once; return the notices about the link. First in a run.

        They are returned as long as the text or model that the link opened is the present one.
        """
        session = st.session_state
        notices: list[str] = []
        for part in self._parts:
            if part._key not in session:
                part._restore_open_page(self._share_of(part, open_page.sent_query()))
            elif session.get(_DRAWN) != self.page:
                # The visitor comes back from another page: the browser starts anew, with the selection that it left.
                part._memory.received = 0
                part._open_selection()
            memory, choice = part._memory, part.now()
            notices += memory.notices if memory.linked == part._history_entry(choice) else ()
        session[_DRAWN] = self.page
        return notices

    def now(self) -> Choice:
        """Return the choice as it is at this moment, with what the visitor has typed and chosen since the last call.

        A choice that was given to a callback when its button was drawn may be out of date. A value that is missing or
        impossible leaves the one before.
        """
        for name in link.names(self.of):
            self._read_widgets(name)
        return self._memory.choice

    def current(self) -> Choice:
        """Return the choice as `now` and the widgets drawn since have left it; in callbacks, call `now`."""
        return self._memory.choice

    def update(self, **values: Any) -> None:
        """Change some of the choices, for a button or a picture: other widgets show them, in this run or the next."""
        choice = self.now()
        changed = {name: value for name, value in values.items() if getattr(choice, name) != value}
        for name in changed:
            self._replace_widget(name)
        self._set(changed)
        if set(changed) & set(link.names_of(self.of, link.BROWSER)):
            self._open_selection()

    def arrive(self, **values: Any) -> None:
        """Choose what another page asks for, before the visitor comes from there to this page."""
        if self._key not in st.session_state:
            st.session_state[self._key] = _Memory(self.parse({})[0])
        owned = {name: value for name, value in values.items() if name in link.names_of(self.of, link.SERVER)}
        self.update(**owned)
        self.select(**{name: value for name, value in values.items() if name not in owned})

    def widget_args(
        self,
        name: str,
        *,
        labels: Iterable[Hashable] | None = None,
        on_change: Callable[..., None] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments of the widget that shows a choice; call it immediately before the widget is drawn.

        Args:
            name: the field.
            labels: the names of the options, where one option may have another name later, as tokens of another text
                do: Streamlit sends names, so that other names need another widget.
            on_change: called with `kwargs` after the visitor has changed the choice.
        """
        self._read_widgets(name)
        memory, session = self._memory, st.session_state
        if labels is not None:
            named = hash(tuple(labels))
            if memory.labels.setdefault(name, named) != named:
                memory.labels[name] = named
                self._replace_widget(name)
        key, value = self._widget(name), getattr(memory.choice, name)
        # Streamlit sends a value that is written in this run, which replaces what the visitor chooses meanwhile.
        if session.get(key) != value:
            session[key] = value
        # A widget in a popover that is not open yet is sent its value in every run.
        args: dict[str, Any] = {"key": key, "persist_state": "session"}
        if on_change is not None:
            args |= {"on_change": self._changed, "args": (name, key, on_change, dict(kwargs or {}))}
        return args

    def receive(self, text: str, number: int) -> None:
        """Keep the selection that the browser reports, written as in a link, and its number; bad messages change less.

        A parameter that is not there, or cannot be read, has its default.
        """
        if not isinstance(text, str) or not isinstance(number, int) or not 0 <= number <= _LARGEST_NUMBER:
            return
        if number <= self._memory.opening.after:
            return  # A Back that came in the same message has left this selection behind.
        names = link.names_of(self.of, link.BROWSER)
        try:
            sent = dict(parse_qsl(text[: link.MOST_CHARACTERS_IN_LINK], keep_blank_values=True))
        except ValueError:
            return
        choice, _ = link.parse(self.of, {name: written for name, written in sent.items() if name in names})
        self._set({name: getattr(choice, name) for name in names})
        self._memory.received = number

    def select(self, **values: Any) -> None:
        """Change the selection for the server: the browser adopts it, unless the visitor has chosen another since."""
        self._set(values)
        self._open_selection()

    def opening(self) -> Opening:
        """Return what the browser shows first; it stays the same until the server chooses another selection."""
        return self._memory.opening

    def publish(self) -> None:
        """Make the browser's URL describe the present choice, as far as the server owns it."""
        choices, memory = [(part, part.now()) for part in self._parts], self._memory
        # The texts may be a megabyte: the browser needs to know only whether they are others.
        entry = str(hash(tuple(part._history_entry(choice) for part, choice in choices)))
        selection = memory.opening.selection if link.names_of(self.of, link.BROWSER) else None
        query = {name: value for _, choice in choices for name, value in link.format(choice, link.SERVER).items()}
        address_bar(urlencode(query), entry, memory.went, self._go, selection=selection)

    def _go(self, query: str, number: int, selected: int) -> None:
        """Choose what an earlier URL describes: the browser went back or forward, from selection number `selected`."""
        memory = self._memory
        memory.went = number
        if 0 <= selected <= _LARGEST_NUMBER:
            memory.received = max(memory.received, selected)
        for part in self._parts:
            part._follow(self._share_of(part, dict(parse_qsl(query, keep_blank_values=True))))
        st.rerun()

    def _follow(self, query: Mapping[str, str]) -> None:
        choice, notices = self.parse(query)
        self._memory.notices, self._memory.linked = tuple(notices), self._history_entry(choice)
        self.update(**{name: getattr(choice, name) for name in link.names_of(self.of, link.SERVER)})
        self.select(**{name: getattr(choice, name) for name in link.names_of(self.of, link.BROWSER)})

    @property
    def _parts(self) -> tuple[PageState[Any], ...]:
        return (self,) if self.reads is None else (self.reads, self)

    def _share_of(self, part: PageState[Any], query: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of this page's link that belong to one of its parts."""
        names = () if self.reads is None else link.names_of(self.reads.of, link.SERVER)
        share = {name: written for name, written in query.items() if (name in names) == (part is self.reads)}
        # The link says nothing of the selection on the page that this one reads: it stays.
        stays = part is self.reads and part._key in st.session_state
        return share | (link.format(part.current(), link.BROWSER) if stays else {})

    def _restore_open_page(self, query: Mapping[str, str]) -> None:
        """Begin with the link's choice, and with the widgets of a page that was open before this session."""
        choice, notices = self.parse(query)
        memory = st.session_state[self._key] = _Memory(choice, tuple(notices), self._history_entry(choice))
        for name, generation, text in open_page.sent_fields(self.prefix, link.names(self.of)):
            # The widget stays in the browser, with what is typed there.
            memory.generations[name] = generation
            if name in link.names(self.of, "free") and text is not None:  # a long text is in no link
                self._set({name: text})
        self._open_selection()

    def _read_widgets(self, name: str) -> None:
        """Take over what the visitor has chosen in the widget of a field, or in one that the server has replaced."""
        session, memory = st.session_state, self._memory
        chosen = session.get(self._widget(name))
        if self._is_possible(name, chosen):
            self._set({name: chosen})
        shown = memory.earlier.get(name, {})
        for key, value in list(shown.items()):
            chosen = session.get(key)
            if chosen != value and self._is_possible(name, chosen):
                shown[key] = chosen
                self._replace_widget(name)
                self._set({name: chosen})

    def _changed(self, name: str, key: str, on_change: Callable[..., None], kwargs: Mapping[str, Any]) -> None:
        """Pass on a change by the visitor; Streamlit also tells of a value that an earlier widget has sent again."""
        chosen, shown = st.session_state.get(key), self._memory.earlier.get(name, {})
        is_new = key == self._widget(name) or (key in shown and shown[key] != chosen)
        if is_new and self._is_possible(name, chosen):
            self.now()
            on_change(**kwargs)

    def _replace_widget(self, name: str) -> None:
        memory = self._memory
        shown = memory.earlier.setdefault(name, {})
        shown[self._widget(name)] = getattr(memory.choice, name)
        for key in list(shown)[:-_EARLIER_WIDGETS]:
            del shown[key]
            st.session_state.pop(key, None)
        memory.generations[name] = memory.generations.get(name, 0) + 1

    def _open_selection(self) -> None:
        memory = self._memory
        selection = urlencode(link.format(memory.choice, link.BROWSER))
        memory.opening = Opening(token_urlsafe(9), selection, memory.received)

    def _is_possible(self, name: str, value: Any) -> bool:
        """Return whether a value can be a visitor's choice: Streamlit accepts values that no widget offers."""
        before = getattr(self._memory.choice, name)
        if value is None or type(value) is not type(before):
            return False
        if name in link.names(self.of, "free"):
            return True
        kind = link.kind_of(self.of, name)
        try:
            kind.read(kind.write(value), self._memory.choice)
        except ValueError:
            return False
        return True

    def _history_entry(self, choice: Choice) -> tuple[Any, ...]:
        """Return the values whose change adds an entry to the browser's history."""
        return tuple(getattr(choice, name) for name in link.names(self.of, "adds_history"))

    def _set(self, values: Mapping[str, Any]) -> None:
        memory = self._memory
        memory.choice = replace(memory.choice, **values)  # type: ignore[type-var]

    def _widget(self, name: str) -> str:
        """Return the key of a field's present widget."""
        generation = self._memory.generations.get(name)
        return self.prefix + name + (f"#{generation}" if generation else "")

    @property
    def _memory(self) -> _Memory[Choice]:
        return st.session_state[self._key]

    @property
    def _key(self) -> str:
        return f"{self.page} state"
