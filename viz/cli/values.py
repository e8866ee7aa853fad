"""The values of options on the command line: read, or refused in our own words."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any


def read_as(kind: Callable[[str], Any], described: str) -> Callable[[str], Callable[[str], Any]]:
    """Return what makes the `type` of an option, which refuses in our own words."""

    def of_option(option: str) -> Callable[[str], Any]:
        def read(text: str) -> Any:
            try:
                return kind(text)
            except ValueError:
                raise argparse.ArgumentTypeError(f"{option} is {described}, not {shorten(text)}") from None

        return read

    return of_option


def from_0(text: str) -> int:
    """Return a whole number from 0 up."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def whole_numbers(text: str) -> list[int]:
    """Return numbers that are separated by commas or spaces."""
    return [int(number) for number in text.replace(",", " ").split()]


def not_empty(option: str) -> Callable[[str], str]:
    """Return the `type` of an option whose value must not be empty, as that of a variable that is not set."""

    def read(text: str) -> str:
        if not text.strip():
            raise argparse.ArgumentTypeError(f"{option} is empty: give a value or leave the option out")
        return text

    return read


def one_of(name: str, known: Sequence[str]) -> Callable[[str], str]:
    """Return the `type` of an option that has one of some values."""

    def read(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"There is no {name} {shorten(text)}: choose one of {', '.join(known)}")
        return text

    return read


def listed(known: Sequence[str]) -> str:
    """Return the values of an option as its help shows them."""
    return f"{{{','.join(known)}}}"


def shorten(text: str) -> str:
    """Return what was given, short enough to quote in a sentence."""
    return repr(text[:40])
