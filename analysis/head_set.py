"""Several heads, as written in links: `2` (a layer), `2.0,3.5` (heads), `all`, or a mixture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from models.arguments import check_fields, checked
from models.errors import BadSelection

# The largest models have fewer than 20,000 heads. A longer text is no selection.
MAX_PARTS, MAX_CHARACTERS = 20_000, 250_000
# More heads than this are counted instead of named.
NAMED = 4
_PART = re.compile(r"([0-9]{1,5})(?:\.([0-9]{1,5}))?", re.ASCII)
_ALL = "all"


@runtime_checkable
class Heads(Protocol):
    """What has layers and heads: an `Attention`, or the sizes of a model that has not read a text yet."""

    @property
    def n_layers(self) -> int:
        """How many layers there are."""

    def heads_in(self, layer: int) -> int:
        """Return the number of heads of a layer."""


@dataclass(frozen=True)
class HeadSet:
    """Layers and heads: `parts` has `(layer, None)` for a whole layer and `(layer, head)` for a head; false if empty.

    `everything` is the set of all heads, whatever their number. Parts are in order, without repetitions, and without
    the heads of a layer that is chosen as a whole.
    """

    parts: tuple[tuple[int, int | None], ...] = ()
    everything: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        whole = {layer for layer, head in self.parts if head is None}
        kept = {(layer, head) for layer, head in self.parts if head is None or layer not in whole}
        ordered = sorted(kept, key=lambda part: (part[0], -1 if part[1] is None else part[1]))
        object.__setattr__(self, "parts", () if self.everything else tuple(ordered))

    def __bool__(self) -> bool:
        return self.everything or bool(self.parts)

    def __str__(self) -> str:
        if self.everything:
            return _ALL
        return ",".join(str(layer) if head is None else f"{layer}.{head}" for layer, head in self.parts)

    @classmethod
    @checked
    def parse(cls, text: str) -> HeadSet:
        """Return the heads that are written as "2,3.5" or "all"; the empty text is the empty set.

        Raises:
            BadSelection: they are written differently.
        """
        pieces = text.split(",", MAX_PARTS) if text and len(text) <= MAX_CHARACTERS else []
        parts: list[tuple[int, int | None]] = []
        for piece in pieces:
            found = _PART.fullmatch(piece)
            if found is not None:
                parts.append((int(found[1]), None if found[2] is None else int(found[2])))
            elif piece != _ALL:
                raise _bad(text)
        if text and not pieces:
            raise _bad(text)
        return cls(tuple(parts), _ALL in pieces)

    @checked
    def expand(self, att: Heads) -> tuple[tuple[int, int], ...]:
        """Return (layer, head) of each head, in the order of layer, then head.

        Raises:
            BadSelection: this attention has no such layer or head.
        """
        parts = [(layer, None) for layer in range(att.n_layers)] if self.everything else self.parts
        found: list[tuple[int, int]] = []
        for layer, head in parts:
            if layer >= att.n_layers:
                raise BadSelection(f"There is no layer {layer}: this attention has layers 0 to {att.n_layers - 1}.")
            n_heads = att.heads_in(layer)
            if head is not None and head >= n_heads:
                raise BadSelection(f"There is no head {head}: layer {layer} has heads 0 to {n_heads - 1}.")
            found.extend((layer, each) for each in (range(n_heads) if head is None else (head,)))
        return tuple(found)

    @checked
    def clamp(self, att: Heads) -> HeadSet:
        """Return the part of the set that there is."""
        there = [
            (layer, head)
            for layer, head in self.parts
            if layer < att.n_layers and (head is None or head < att.heads_in(layer))
        ]
        return HeadSet(tuple(there), self.everything)

    @checked
    def describe(self, att: Heads) -> str:
        """Return the set in words: `layer 5`, `all heads`, `heads 2.0, 2.5 and 3.1`, `12 heads`.

        Raises:
            BadSelection: this attention has no such layer or head.
        """
        heads = self.expand(att)
        if heads and len(heads) == sum(att.heads_in(layer) for layer in range(att.n_layers)):
            return "all heads"
        layers = sorted({layer for layer, _ in heads})
        if heads and len(heads) == sum(att.heads_in(layer) for layer in layers) and len(layers) <= NAMED:
            return _list("layer", [str(layer) for layer in layers])
        if not 0 < len(heads) <= NAMED:
            return f"{len(heads)} heads" if heads else "no heads"
        return _list("head", [f"{layer}.{head}" for layer, head in heads])


# The set of no heads.
NO_HEADS = HeadSet()


def _list(noun: str, names: list[str]) -> str:
    if len(names) == 1:
        return f"{noun} {names[0]}"
    return f"{noun}s {', '.join(names[:-1])} and {names[-1]}"


def _bad(text: str) -> BadSelection:
    return BadSelection(f"Heads are given as 2 for a layer, 2.5 for a head, or all, with commas, not {text[:40]!r}.")
