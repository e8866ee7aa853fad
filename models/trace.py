"""All attention of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import UInt8

from models.arguments import check_fields, checked
from models.attention import Attention
from models.errors import BadSelection
from models.notebook import ShownInNotebook
from models.outputs import Outputs
from models.source import Source

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
            raise BadSelection(f"There is no {kind[:40]!r} attention here: this model has {' and '.join(self.kinds)}.")
        return self.attentions[kind]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.attentions)
