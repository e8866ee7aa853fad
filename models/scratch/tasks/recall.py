"""Associative recall: a key seen before is followed by the value that followed it then (an induction head).

Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits", and Olsson et al. 2022, "In-context Learning
and Induction Heads", arXiv:2209.11895: one head copies to each value the key before it, and a later head finds the
value from the same key.
"""

from __future__ import annotations

from random import Random

from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import Solution, Task, frame_solution

_KEYS, _VALUES = tuple("abcdefghijkl"), tuple("0123456789")
_MAX_PAIRS = 10


class Recall(Task):
    """Say after a key that came before the value that it had."""

    def text(self, random: Random) -> str:
        """Return 3 to 10 pairs of keys and values, in which a key always has the same value."""
        keys = random.sample(_KEYS, random.randint(2, 6))
        value_of = {key: random.choice(_VALUES) for key in keys}
        while True:
            chosen = random.choices(keys, k=random.randint(3, _MAX_PAIRS))
            if len(set(chosen)) < len(chosen):
                return " ".join(f"{key} {value_of[key]}" for key in chosen)

    def solve(self, text: str) -> Solution | None:
        """Look each key up among the pairs before it."""
        pieces = self.pieces(text)
        if len(pieces) > 2 * _MAX_PAIRS:
            return None
        answers, truth = [""] * len(pieces), [frozenset[int]() for _ in pieces]
        positions: dict[str, list[int]] = {}
        for i, piece in enumerate(pieces):
            if piece not in (_VALUES if i % 2 else _KEYS):
                return None
            if i % 2:
                positions.setdefault(pieces[i - 1], []).append(i)
                if pieces[positions[pieces[i - 1]][0]] != piece:
                    return None
            elif piece in positions:
                answers[i] = pieces[positions[piece][0]]
                truth[i] = frozenset(positions[piece])
        return frame_solution(answers, truth, end=False) if any(answers) else None


RECALL = Recall(
    name="recall",
    title="Recalling what came with a key",
    rule="When a letter comes again, say the digit that followed it before.",
    looks="The letter at the digit that followed the same letter before: an induction head.",
    kind="decoder",
    alphabet=(*_KEYS, *_VALUES),
    labels=_VALUES,
    examples=("a 3 b 7 c 1 b 7 a 3", "k 5 d 2 k 5 d 2 k 5", "a 1 b 2 c 3 d 4 e 5 c 3"),
    settings=Settings(n_layers=2, steps=2000),
    longest=2 * _MAX_PAIRS + 1,
)
