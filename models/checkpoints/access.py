"""What a server lets its visitors open and see, asked before a folder is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _admit_any(name: str) -> None:
    """Let every name through."""


@dataclass(frozen=True)
class Access:
    """What whoever loads a model may open and see.

    `admit` is called with the name of a further model that this one needs, the base of an adapter, and raises if it may
    not be opened. `shows_folders` is whether a refusal may name the folders of this machine.
    """

    admit: Callable[[str], None] = _admit_any
    shows_folders: bool = True


ANYTHING = Access()
