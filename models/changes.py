"""What a caller asks a pass to change, read and checked: heads that are switched off or forced, masked tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

from models.capture.ablation import WAYS
from models.card import Card
from models.errors import BadArgument, BadSelection

# Patterns that need a position of the query in the text that it reads.
_OF_ONE_TEXT = ("previous", "self")
# The kind, the layer and the number of each changed head, and how it is changed.
Ablate = tuple[tuple[str, int, int, str], ...]


def read_ablate(card: Card, given: Mapping[Any, Any] | None) -> Ablate:
    """Return the changed heads as kind, layer, head and how, in the order of kinds, layers and heads.

    Raises:
        BadArgument: a key or a way has another type.
        BadSelection: there is no such kind, layer, head or way, or the model returns its weights itself.
    """
    if not given:
        return ()
    _refuse_materialised(card)
    found = {_read_head(card, key): _read_way(key, how) for key, how in given.items()}
    for (kind, layer, head), how in found.items():
        if kind == "cross" and how in _OF_ONE_TEXT:
            raise BadSelection(
                f'Head {layer}.{head} is of cross attention, which reads another text, so it has no "{how}": choose '
                '"uniform" or "first".'
            )
    order = sorted(found, key=lambda key: (card.kinds.index(key[0]), *key[1:]))
    return tuple((*key, found[key]) for key in order)


def _read_head(card: Card, key: Any) -> tuple[str, int, int]:
    if not isinstance(key, tuple) or len(key) not in (2, 3):
        raise BadArgument(f"A head of ablate is (layer, head) or (kind, layer, head), not {key!r:.40}.")
    kind = card.kinds[0] if len(key) == 2 else key[0]
    if kind not in card.kinds:
        raise BadSelection(f"There is no {kind!r:.40} attention here: {card.name} has {' and '.join(card.kinds)}.")
    for number in key[-2:]:
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise BadArgument(f"A head of ablate has whole numbers, (layer, head), not {key!r:.40}.")
    layer, head = int(key[-2]), int(key[-1])
    n_layers, n_heads = card.sizes[kind]
    if not 0 <= layer < n_layers:
        raise BadSelection(
            f"There is no layer {layer} to ablate: the {kind} attention has the layers 0 to {n_layers - 1}."
        )
    if not 0 <= head < n_heads:
        raise BadSelection(f"There is no head {head} to ablate: layer {layer} has the heads 0 to {n_heads - 1}.")
    return kind, layer, head


def _read_way(key: Any, how: Any) -> str:
    if how not in WAYS:
        raise BadSelection(f"Head {key} cannot be changed by {how!r:.40}: choose one of {', '.join(WAYS)}.")
    return str(how)


def read_masked(card: Card, given: Sequence[int] | None) -> tuple[int, ...]:
    """Return the masked positions in order, each once.

    Raises:
        BadArgument: one is no whole number.
        BadSelection: one is negative, or the model returns its weights itself.
    """
    if given is None or not len(given):
        return ()
    _refuse_materialised(card)
    for position in given:
        if isinstance(position, bool) or not isinstance(position, Integral):
            raise BadArgument(f"A position of mask_tokens is a whole number, not {position!r:.40}.")
        if position < 0:
            raise BadSelection(f"There is no position {position} to mask: positions count from 0.")
    return tuple(sorted({int(position) for position in given}))


def _refuse_materialised(card: Card) -> None:
    if card.capture != "replayed":
        raise BadSelection(
            f"{card.name} computes its attention in its own way and returns only weights, so its heads and tokens "
            "cannot be changed: choose another model, such as minilm."
        )
