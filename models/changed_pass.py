"""A pass whose attention is changed: its intervention, its layers as they are shown, and what its notices say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from models.capture.ablation import REPLACED, Ablation, Change
from models.capture.forced import ForcedLayer
from models.capture.forward import Layers
from models.capture.replay import LayerLike, Replay
from models.card import Card
from models.model_input import ModelInput
from models.source import Source
from models.tokens import Token

_MOST_NAMED = 6
_SAYS = {
    "zero": "switched off: {its} 0. The maps show the weights as the model computed them",
    "mean": "replaced by the mean of the output over the text. The maps show the weights as the model computed them",
    "uniform": "forced to attend to all tokens that {it} may see, alike",
    "first": "forced to attend to the first token that {it} may see",
    "previous": "forced to attend to the token before",
    "self": "forced to attend to the token itself",
}
OWN_TEXT_UNCHANGED = "The model wrote its own text before its heads or tokens were changed."


class ChangedPass:
    """Changes the passes of one model; `of_two_sides` is True for an encoder-decoder."""

    def __init__(self, card: Card, *, of_two_sides: bool) -> None:
        self._of_two_sides = of_two_sides
        roles = {self.role_of(kind): kind for kind in card.kinds}
        self.causal = frozenset(role for role, kind in roles.items() if kind in ("decoder", "cross"))

    def role_of(self, kind: str) -> str:
        """Return the role of a kind in a pass (models/capture/forward.py)."""
        return kind if self._of_two_sides else "self"

    def change_of(self, source: Source, lengths: Mapping[str, int] | None = None) -> Change:
        """Return what one row changes; `lengths` are those of `Change`."""
        heads = {(self.role_of(kind), layer, head): how for kind, layer, head, how in source.ablate}
        return Change(heads, source.mask_tokens, lengths)

    def of_rows(self, rows: Sequence[Change]) -> Ablation | None:
        """Return the intervention of the rows of a batch, None if nothing is changed."""
        return Ablation(rows, self.causal) if any(row.heads or row.masked for row in rows) else None

    def of_batch(self, batch: Sequence[ModelInput]) -> Ablation | None:
        """Return the intervention of a batch of inputs, None if nothing is changed."""
        rows = []
        for one in batch:
            n_text, n_decoder = len(one.sequence.tokens), len(one.decoder_tokens)
            lengths = {"self": n_text, "encoder": n_text, "decoder": n_decoder, "cross": n_decoder}
            rows.append(self.change_of(one.source, lengths if len(batch) > 1 else None))
        return self.of_rows(rows)

    def shown(self, layers: Layers, source: Source) -> Mapping[str, list[LayerLike]]:
        """Return the layers of one row, in which forced heads have their forced weights."""
        forced: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
        for kind, layer, head, how in source.ablate:
            if how not in REPLACED:
                forced[self.role_of(kind), layer].append((head, how))
        return {
            role: [
                ForcedLayer(layer, tuple(forced[role, number]))
                if (role, number) in forced and isinstance(layer, Replay)
                else layer
                for number, layer in enumerate(found)
            ]
            for role, found in layers.items()
        }


def change_notices(source: Source, tokens: Sequence[Token]) -> tuple[str, ...]:
    """Return what a reader must know of a changed pass, in sentences; `tokens` are those that the model read."""
    notices = []
    several_kinds = len({kind for kind, *_ in source.ablate}) > 1
    for way, says in _SAYS.items():
        heads = [
            f"{kind} {layer}.{head}" if several_kinds or kind == "cross" else f"{layer}.{head}"
            for kind, layer, head, how in source.ablate
            if how == way
        ]
        if heads:
            one = len(heads) == 1
            subject = f"Head{'' if one else 's'} {_listed(heads)} {'is' if one else 'are'}"
            names = {"it": "it", "its": "its output is"} if one else {"it": "each of them", "its": "their outputs are"}
            notices.append(f"{subject} {says.format(**names)}.")
    if source.mask_tokens:
        masked = [f"{place} {tokens[place].display.strip()!r}" for place in source.mask_tokens if place < len(tokens)]
        one = len(masked) == 1
        notices.append(
            f"Token{'' if one else 's'} {_listed(masked)} {'is' if one else 'are'} masked: no other token "
            f"may attend to {'it' if one else 'them'}, in any layer."
        )
    if notices and source.generated is not None:
        notices.append(OWN_TEXT_UNCHANGED)
    return tuple(notices)


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_MOST_NAMED])
    if len(names) > _MOST_NAMED:
        shown.append(f"{len(names) - _MOST_NAMED} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
