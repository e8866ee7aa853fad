"""A table of replaced characters, in the form that the library tokenizers reads: SentencePiece's precompiled map.

The form is a trie over the UTF-8 bytes of what is replaced, as a double array (Darts), and then all replacements, each
followed by a zero byte. A unit of the array leads to its children: the child for the byte b stands at the unit's own
position XOR its offset XOR b, and its lowest 8 bits are b.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import groupby

_BLOCK = 256
_HAS_LEAF, _IS_LEAF = 1 << 8, 1 << 31
# Larger offsets have another form, which a table of characters does not need.
_MAX_OFFSET = 1 << 21


def pack_charsmap(replacements: Mapping[str, str]) -> bytes:
    """Return the map that replaces each key by its value; an empty value removes the key.

    Raises:
        ValueError: a key is empty, a text contains a zero byte, or there are too many keys for the form.
    """
    entries, texts = [], bytearray()
    for key, value in replacements.items():
        if not key or "\0" in key + value:
            raise ValueError(f"the replacement of {key!r} by {value!r} cannot be written")
        entries.append((key.encode(), len(texts)))
        texts += value.encode() + b"\0"
    units = _DoubleArray(sorted(entries)).units
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(texts)


class _DoubleArray:
    """The trie of some keys and their numbers: no two nodes share a base, and no two children a position."""

    def __init__(self, entries: list[tuple[bytes, int]]) -> None:
        self.units = [0] * _BLOCK
        self._taken = {0}
        self._bases: set[int] = set()
        self._tried: dict[tuple[int, ...], int] = {}
        if entries:
            self._place(entries, 0, 0)

    def _place(self, entries: list[tuple[bytes, int]], depth: int, position: int) -> None:
        """Place the children of the node at a position, which begins all entries: their first `depth` bytes."""
        # A leaf stands where the child for the byte 0 would be, which no text contains.
        children = {
            label: list(group)
            for label, group in groupby(entries, lambda entry: entry[0][depth] if len(entry[0]) > depth else 0)
        }
        base = self._find_base(tuple(children))
        self._bases.add(base)
        self._taken.update(base ^ label for label in children)
        if position ^ base >= _MAX_OFFSET:
            raise ValueError("there are too many replacements for the form")
        self.units[position] |= (position ^ base) << 10 | (_HAS_LEAF if 0 in children else 0)
        for label, group in children.items():
            if label:
                self.units[base ^ label] = label
                self._place(group, depth + 1, base ^ label)
            else:
                self.units[base] = _IS_LEAF | group[0][1]

    def _find_base(self, labels: tuple[int, ...]) -> int:
        # Positions that were not free for these labels never become free.
        position = self._tried.get(labels, 1)
        while True:
            base = position ^ labels[0]
            if base > 0 and base not in self._bases and not any(base ^ label in self._taken for label in labels):
                break
            position += 1
        self._tried[labels] = position
        # Readers go to the base XOR any byte, so that whole blocks must exist.
        while len(self.units) <= base | (_BLOCK - 1):
            self.units.extend([0] * _BLOCK)
        return base
