"""The kinds of values that a page's choices can have, and how a link writes each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.causes.changes import read_heads, read_positions, write_heads, write_positions
from analysis.head_set import HeadSet
from analysis.selection import Region, TokenRef
from analysis.steps import check_matrix
from models.checkpoints.locate import REVISION
from models.conversation import parse_messages
from models.errors import BadMatrix, BadSelection, NoText
from ui.state.link import MOST_CHARACTERS_IN_LINK, Kind, write_plain

LONGEST_REVISION = 130
# Nobody writes a number of this length or more, and a very long one would take time to read.
_LONGEST_NUMBER = 20


def _quote(written: str) -> str:
    return repr(written[:40])


def whole_number(low: int, high: int, noun: str = "number") -> Kind:
    """Return the kind of a whole number in decimal digits; both ends are included."""

    def read(written: str, _: Any) -> int:
        # Python reads other digits as well ("٣"), signs, spaces and underscores.
        readable = written.isascii() and written.isdigit() and len(written) < _LONGEST_NUMBER
        if not readable or not low <= int(written) <= high:
            raise ValueError(f"{_quote(written)} is no {noun} from {low:,} to {high:,}")
        return int(written)

    return Kind(read)


def number(low: float, high: float, noun: str = "number") -> Kind:
    """Return the kind of a number with decimals; both ends are included."""

    def read(written: str, _: Any) -> float:
        try:
            value = float(written) if len(written) < _LONGEST_NUMBER else float("nan")
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"{_quote(written)} is no {noun} from {low:g} to {high:g}")
        return value

    return Kind(read)


def one_of(*options: Any) -> Kind:
    """Return the kind of a value that is one of some strings or numbers; "" may be among them."""
    by_text = {write_plain(option): option for option in options}

    def read(written: str, _: Any) -> Any:
        if written not in by_text:
            raise ValueError(f"{_quote(written)} is none of {', '.join(filter(None, by_text))}")
        return by_text[written]

    return Kind(read)


def on_off(on: str = "on", off: str = "off") -> Kind:
    """Return the kind of a switch."""
    spellings = one_of(on, off)
    return Kind(lambda written, earlier: spellings.read(written, earlier) == on, lambda value: on if value else off)


def string(longest: int = MOST_CHARACTERS_IN_LINK) -> Kind:
    """Return the kind of any text of at most so many characters."""

    def read(written: str, _: Any) -> str:
        _check_length(written, longest)
        return written

    return Kind(read, longest=longest)


def _check_length(written: str, longest: int = MOST_CHARACTERS_IN_LINK) -> None:
    if len(written) > longest:
        raise ValueError(f"it has {len(written):,} characters, too many for a link: the limit is {longest:,}")


def revision() -> Kind:
    """Return the kind of a model's revision on the hub; "" is the hub's own choice."""

    def read(written: str, _: Any) -> str:
        if not REVISION.fullmatch(written or "main"):
            raise ValueError(f"{_quote(written)} is no branch, tag or commit")
        _check_length(written, LONGEST_REVISION)
        return written

    return Kind(read, longest=LONGEST_REVISION)


def token() -> Kind:
    """Return the kind of one side's token, such as "query:8"; "" is none."""

    def read(written: str, _: Any) -> str:
        try:
            if written:
                TokenRef.parse(written)
        except BadSelection:
            raise ValueError(f"{_quote(written)} is no token such as query:8 or key:2") from None
        return written

    return Kind(read)


def partner() -> Kind:
    """Return the kind of the other token of a pair: one of the other side than the field `token`; "" is none."""

    def read(written: str, earlier: Any) -> str:
        token().read(written, earlier)
        if written and not are_pair(earlier.token, written):
            raise ValueError(f"{_quote(written)} makes no pair with the token {_quote(earlier.token)}")
        return written

    return Kind(read)


def are_pair(one: str, other: str) -> bool:
    """Return whether two tokens, each written as in a link, stand on different sides; "" stands on none."""
    return {one.partition(":")[0], other.partition(":")[0]} == {"query", "key"}


def head_set() -> Kind:
    """Return the kind of several heads, such as "2" (a layer), "2.0,3.5" or "all"; "" is the one head."""

    def read(written: str, _: Any) -> str:
        try:
            return str(HeadSet.parse(written)) if written else ""
        except BadSelection:
            raise ValueError(f"{_quote(written)} names no heads such as 2 (a layer), 2.0,3.5 or all") from None

    return Kind(read)


def region() -> Kind:
    """Return the kind of a part of a head, such as "0-63:128-191"; "" is the whole head."""

    def read(written: str, _: Any) -> str:
        try:
            if written:
                Region.parse(written)
        except BadSelection:
            raise ValueError(f"{_quote(written)} is no region such as 0-63:128-191") from None
        return written

    return Kind(read)


def head_changes() -> Kind:
    """Return the kind of the heads that are changed, such as "2.5:zero,3.1:uniform"; "" changes none."""

    def read(written: str, _: Any) -> str:
        _check_length(written)
        return write_heads(read_heads(written))

    return Kind(read)


def positions() -> Kind:
    """Return the kind of the tokens that are struck out, such as "4,7"; "" strikes none."""

    def read(written: str, _: Any) -> str:
        _check_length(written)
        return write_positions(read_positions(written))

    return Kind(read)


def opened_file(own: str) -> Kind:
    """Return the kind of a trace from a file: its number in this visit, or `own` for the server's; "" is none."""
    number_of_file = whole_number(1, 9999, "number of an opened trace")

    def read(written: str, earlier: Any) -> str:
        return written if written in ("", own) else str(number_of_file.read(written, earlier))

    return Kind(read)


def conversation() -> Kind:
    """Return the kind of a conversation in JSON, such as `[["user","Hello"]]`; "" is none."""

    def read(written: str, _: Any) -> str:
        _check_length(written)
        try:
            if written:
                parse_messages(written)
        except NoText:
            raise ValueError(f'{_quote(written)} is no conversation such as [["user","Hello"]]') from None
        return written

    return Kind(read)


def words(count: Callable[[Any], int]) -> Kind:
    """Return the kind of `count(earlier)` words with | between them; "" stands for the standard ones."""

    def read(written: str, earlier: Any) -> str:
        _check_length(written)
        n_words = written.count("|") + 1
        if written and n_words != count(earlier):
            raise ValueError(f"there are {count(earlier)} words, not {n_words}")
        return written

    return Kind(read)


def matrix(name: str, shape: Callable[[Any], tuple[int, int]]) -> Kind:
    """Return the kind of a matrix, written `1,2;3,4`, of `shape(earlier)`; "" stands for the standard one."""

    def read(written: str, earlier: Any) -> str:
        _check_length(written)
        if written:
            read_matrix(name, written, shape(earlier))
        return written

    return Kind(read)


def read_matrix(name: str, written: str, shape: tuple[int, int]) -> np.ndarray:
    """Return the matrix that is written as `1,2;3,4`, row by row.

    Raises:
        ValueError: the text is not a matrix, or has another shape or a number that is too large, in a clause.
    """
    try:
        rows = [[float(cell) for cell in row.split(",")] for row in written.split(";")]
        if (len(rows), *{len(row) for row in rows}) != shape:
            raise ValueError
    except ValueError:
        raise ValueError(f"{_quote(written)} is no matrix of {shape[0]} rows and {shape[1]} columns") from None
    try:
        return check_matrix(name, np.array(rows))
    except BadMatrix as error:
        raise ValueError(str(error).rstrip(".")) from None


def write_matrix(values: np.ndarray) -> str:
    """Return a matrix as `1,2;3,4`, every number with the digits that restore it."""
    return ";".join(",".join(repr(float(cell)).removesuffix(".0") for cell in row) for row in values)
