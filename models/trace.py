"""All attention of one forward pass."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from models.arguments import check_fields, checked
from models.attention import Attention
from models.errors import BadArgument, BadSelection, no_such_kind
from models.layer_bytes import layer_bytes
from models.notebook import ShownInNotebook
from models.outputs import Outputs
from models.source import Source
from models.trace_files import read_trace, write_trace

__all__ = ["Attention", "AttentionTrace", "Source"]


@dataclass(frozen=True, eq=False)
class AttentionTrace(ShownInNotebook):
    """All attention of one forward pass: `trace["encoder"]` is an `Attention`; `notices` say what was cut or lost.

    A trace can be pickled and copied. It is equal only to itself, because attentions and pictures cannot be compared.
    `image` is the picture that the model read, after its processor's resizing and cropping, or None.
    `outputs` is what the model answers (models/outputs.py).
    """

    attentions: Mapping[str, Attention]
    notices: tuple[str, ...]
    source: Source
    image: UInt8[np.ndarray, "row column 3"] | None = None
    outputs: Outputs = field(default=Outputs(), repr=False)

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "attentions", MappingProxyType(dict(self.attentions)))
        if self.image is not None:
            self.image.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Made again from its parts: a mapping proxy cannot be pickled, and an unpickled array is writeable.
        return type(self), (dict(self.attentions), self.notices, self.source, self.image, self.outputs)

    @classmethod
    def of(cls, *attentions: Attention) -> AttentionTrace:
        """Return the trace of attentions that exist already, one of each kind, with their notices.

        Raises:
            BadArgument: there are none, or a value is no attention.
            BadSelection: two are of the same kind.
        """
        if not attentions:
            raise BadArgument("A trace has at least one attention: give it.")
        for att in attentions:
            if not isinstance(att, Attention):
                raise BadArgument(f"A trace is made of attentions, not of a value of the type {type(att).__name__}.")
        kinds = [att.kind for att in attentions]
        for kind in kinds:
            if kinds.count(kind) > 1:
                raise BadSelection(f"A trace has one {kind} attention, not {kinds.count(kind)}: make a trace of each.")
        notices = tuple(dict.fromkeys(notice for att in attentions for notice in att.notices))
        return cls({att.kind: att for att in attentions}, notices, attentions[0].source)

    @checked
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace to a file, `.npz` (bit-exact) or `.json` (for other languages).

        Raises:
            CannotWrite: the suffix is unknown, or the file cannot be written.
        """
        write_trace(self, Path(path))

    @classmethod
    @checked
    def load(cls, path: str | os.PathLike[str], *, max_bytes: int | None = None) -> AttentionTrace:
        """Read a trace that `save` wrote, a table of weights, or arrays of others (docs/decisions/0023).

        `max_bytes` limits the memory that it may take, by default the free memory.

        Raises:
            BadTrace: the file is no trace, is damaged, or takes more memory.
        """
        return read_trace(Path(path), max_bytes=max_bytes)

    @property
    def n_bytes(self) -> int:
        """The bytes that its queries, keys, masks and weights take in memory."""
        return layer_bytes(layer for att in self.attentions.values() for layer in att._layers)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of attention, in the order of the computation."""
        return tuple(self.attentions)

    @checked
    def __getitem__(self, kind: str) -> Attention:
        """Return one kind of attention.

        Raises:
            BadSelection: the model has no attention of that kind.
        """
        if kind not in self.attentions:
            raise no_such_kind(kind, self.kinds)
        return self.attentions[kind]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.attentions)
