"""Where the messages of a conversation are in the text that a chat template makes of them.

A template is a program: it may repeat a text, strip it, move the system's text into the first turn, or write an
introduction of its own. So its output is not searched: every content gets a mark at both ends, and the template renders
the marked conversation too. If the two texts differ in the marks alone, the marks say where each content is. Where a
message begins, with the markup before its content, is where the text of the messages before it ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

# Private characters, one for each message: no tokenizer was trained on them.
_FIRST_START, _FIRST_END, MAX_MESSAGES = 0xF0000, 0x100000, 10_000
_MARKS = re.compile(f"[{chr(_FIRST_START)}-{chr(0x10FFFF)}]")
# How many prefixes of one conversation are rendered, and their characters together. Equal markup is looked up once.
_MAX_PREFIXES, _MAX_PREFIX_CHARACTERS = 16, 4_000_000
# A content that no markup contains.
_PROBE = "zqxzqx"
_WRITER, _INTRODUCTION = "assistant", "system"

Messages = list[dict[str, str]]
# Makes a text of messages, with options of `apply_chat_template`; None if the template does not.
Render = Callable[..., str | None]


@dataclass(frozen=True)
class Places:
    """The parts of a text, each `(first character, role)`, in order; and the messages that are not in it.

    The role is "" before the first message, `system` for an introduction of the template itself. A part ends where the
    next one begins.
    """

    parts: tuple[tuple[int, str], ...]
    missing: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Content:
    """The characters of one message's content in the text."""

    start: int
    end: int
    message: int


@dataclass
class _Search:
    text: str
    messages: Messages
    render: Render
    options: dict[str, bool]
    contents: list[_Content] = field(default_factory=list)
    # The first character of each message with its markup, as far as it is known.
    starts: dict[int, int] = field(default_factory=dict)

    def order(self) -> list[int]:
        """Return the messages as they follow each other in the text; one without a place follows the one before it."""
        first = {content.message: content.start for content in reversed(self.contents)}
        at, places = -1, []
        for number in range(len(self.messages)):
            at = first.get(number, at)
            places.append((at, number))
        return [number for _, number in sorted(places)]


def find_places(text: str, messages: Messages, render: Render, options: dict[str, bool], start_token: str) -> Places:
    """Return where the messages are in `text`, which is their rendering with `options`.

    `start_token` is the token that begins every text of the model, or "".
    """
    search = _Search(text, messages, render, options)
    marked = _find_marked(search)
    if marked is None:
        _find_starts(search)
        marked = list(_search_in_order(search))
    search.contents = sorted(marked, key=lambda content: content.start)
    _find_starts(search)
    found = {content.message for content in search.contents}
    missing = [number for number, each in enumerate(messages) if each["content"].strip() and number not in found]
    return Places(tuple(_merge(_parts(search, start_token))), tuple(missing))


def _find_marked(search: _Search) -> list[_Content] | None:
    """Return where each content is, from marks; None if the template writes something else because of the marks."""
    if any(_MARKS.search(message["content"]) for message in search.messages):
        return None
    for also_empty in (True, False):  # a template may skip messages without a content
        marked = [
            {**message, "content": _mark(message["content"], number)}
            if also_empty or message["content"].strip()
            else message
            for number, message in enumerate(search.messages)
        ]
        rendered = search.render(marked, **search.options)
        if rendered is not None and _MARKS.sub("", rendered) == search.text:
            return list(_read_marks(search, rendered))
    return None


def _mark(content: str, number: int) -> str:
    """Return a content with marks inside its outer spaces, which a template may strip."""
    inner = content.strip()
    before = content.index(inner) if inner else len(content)
    marked = chr(_FIRST_START + number) + inner + chr(_FIRST_END + number)
    return content[:before] + marked + content[before + len(inner) :]


def _read_marks(search: _Search, rendered: str) -> Iterator[_Content]:
    """Yield the contents of a marked text. Where a mark was cut off with a part of a content, the rest is found."""
    opened: dict[int, int] = {}
    for n_before, mark in enumerate(_MARKS.finditer(rendered)):
        at, code = mark.start() - n_before, ord(mark[0])
        if code < _FIRST_END:
            opened[code - _FIRST_START] = at
            continue
        number = code - _FIRST_END
        start = opened.pop(number, None)
        if start is None:
            content = search.messages[number]["content"].strip()
            start = at - _count_common(content[::-1], search.text[max(0, at - len(content)) : at][::-1])
        yield _Content(start, at, number)
    for number, start in opened.items():
        content = search.messages[number]["content"].strip()
        end = start + _count_common(content, search.text[start : start + len(content)])
        yield _Content(start, end, number)


def _search_in_order(search: _Search) -> Iterator[_Content]:
    """Yield the contents that are in the text unchanged, each after the one before it."""
    markup = _markup_of_first(search)
    cursor = max(0, search.text.find(markup)) + len(markup)  # a content may be in its own markup: "user"
    for number, message in enumerate(search.messages):
        content = message["content"].strip()
        cursor = max(cursor, search.starts.get(number, 0))
        start = search.text.find(content, cursor) if content else -1
        if start >= 0:
            yield _Content(start, cursor := start + len(content), number)


def _find_starts(search: _Search) -> None:
    """Find where each message begins: where the text of all messages before it ends."""
    by_number = {content.message: content for content in reversed(search.contents)}
    known: dict[tuple[str, str, str], int | None] = {}
    n_left = min(_MAX_PREFIXES, _MAX_PREFIX_CHARACTERS // max(1, len(search.text)))
    order = search.order()
    for place, (previous, number) in enumerate(pairwise(order), start=1):
        before, after = by_number.get(previous), by_number.get(number)
        low, high = before.end if before else 0, after.start if after else len(search.text)
        key = (search.messages[previous]["role"], search.messages[number]["role"], search.text[low:high])
        lookup = before is not None and after is not None
        if lookup and key in known:
            offset = known[key]
        elif n_left > 0:
            n_left -= 1
            prefix = search.render([search.messages[each] for each in sorted(order[:place])])
            fits = prefix is not None and search.text.startswith(prefix) and low <= len(prefix) <= high
            offset = len(prefix) - low if prefix is not None and fits else None
            if lookup:
                known[key] = offset
        else:
            offset = None
        if offset is not None:
            search.starts[number] = low + offset


def _parts(search: _Search, start_token: str) -> Iterator[tuple[int, str]]:
    """Yield the first character and the role of each part of the text."""
    roles, order = [message["role"] for message in search.messages], search.order()
    # A token that also begins later messages belongs to the first message, like those to theirs.
    alone = start_token and search.text.startswith(start_token) and search.text.count(start_token) == 1
    begin = len(start_token) if alone else 0
    yield 0, ""
    end = max(begin, _introduction(search))
    if search.text[begin:end].strip():
        yield begin, _INTRODUCTION
    last, prompt = 0, _prompt_start(search)
    place_of = {number: place for place, number in enumerate(order)}
    contents = [content for content in search.contents if content.start < prompt]
    for content in [*contents, None]:
        place, until = (place_of[content.message], content.start) if content else (len(order) - 1, prompt)
        cuts = [(search.starts.get(each, -1), each) for each in order[last + 1 : place + 1]]
        cuts = [(start, each) for start, each in cuts if end <= start <= until]
        # The markup between two contents belongs to the message after it, up to where that is known to begin.
        yield end, roles[order[last] if cuts or content is None else content.message]
        yield from ((start, roles[each]) for start, each in cuts)
        if content is not None:
            yield content.start, roles[content.message]
            last, end = place, content.end
    if prompt < len(search.text):
        yield prompt, _WRITER


def _prompt_start(search: _Search) -> int:
    """Return where the markup begins that asks the model to write, the end of the text if there is none."""
    n_all = len(search.text)
    if not search.options.get("add_generation_prompt"):
        return n_all
    without = search.render(search.messages)
    if without is None:
        return n_all
    last = max((content.end for content in search.contents), default=0)
    return max(last, _count_common(without, search.text))


def _introduction(search: _Search) -> int:
    """Return where the template's own introduction ends, which some write before the first message.

    The markup of a later message of the same role shows what belongs to the message itself.
    """
    first = next((content for content in search.contents if content.message == 0), None)
    if first is None or first is not search.contents[0]:
        return 0
    markup, before = _markup_of_first(search), search.text[: first.start]
    return len(before) - len(markup) if markup and before.endswith(markup) else 0


def _markup_of_first(search: _Search) -> str:
    """Return the markup before a content of the first message's role, "" if it is not known."""
    role = search.messages[0]["role"]
    other = "user" if role == _WRITER else _WRITER
    probe = [{"role": role, "content": "x"}, {"role": other, "content": "y"}, {"role": role, "content": _PROBE}]
    whole, before = search.render(probe), search.render(probe[:2])
    if whole is None or before is None or not whole.startswith(before):
        return ""
    return whole[len(before) : max(len(before), whole.rfind(_PROBE))]


def _count_common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _merge(parts: Sequence[tuple[int, str]] | Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the parts without those that are empty or have the role of the part before them."""
    merged: list[tuple[int, str]] = []
    for start, role in parts:
        if merged and merged[-1][0] == start:
            merged.pop()
        if not merged or merged[-1][1] != role:
            merged.append((start, role))
    return merged
