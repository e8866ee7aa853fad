"""Matching brackets: which place holds the partner of each."""

from __future__ import annotations

from random import Random

from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import Solution, Task, frame_solution

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_MAX_PAIRS = 8


class Brackets(Task):
    """Say at each bracket the place of its partner, counted from 0."""

    def text(self, random: Random) -> str:
        """Return 1 to 8 pairs, nested at random."""
        n_pairs = random.randint(1, _MAX_PAIRS)
        text: list[str] = []
        open_ones: list[str] = []
        to_open = n_pairs
        while to_open or open_ones:
            if to_open and (not open_ones or random.random() < 0.5):
                open_ones.append(random.choice("([{"))
                text.append(open_ones[-1])
                to_open -= 1
            else:
                text.append(_PAIRS[open_ones.pop()])
        return "".join(text)

    def solve(self, text: str) -> Solution | None:
        """Match with a stack."""
        brackets, waiting = self.pieces(text), []
        partner = [0] * len(brackets)
        for place, bracket in enumerate(brackets):
            if bracket in _PAIRS:
                waiting.append(place)
            elif waiting and _PAIRS[brackets[waiting[-1]]] == bracket:
                partner[place] = waiting.pop()
                partner[partner[place]] = place
            else:
                return None
        if waiting or not brackets or len(brackets) > 2 * _MAX_PAIRS:
            return None
        return frame_solution([str(place) for place in partner], [frozenset([place]) for place in partner])


BRACKETS = Brackets(
    name="brackets",
    title="Matching brackets",
    rule="At each bracket, say the place of its partner.",
    looks="Each bracket at its partner, an opening one forward, a closing one back.",
    kind="encoder",
    alphabet=(*_PAIRS, *_PAIRS.values()),
    labels=tuple(str(place) for place in range(2 * _MAX_PAIRS)),
    examples=("([]{()})", "(((())))", "()[]{}()", "{[(){}][]}()"),
    settings=Settings(n_layers=3, steps=2500),
    longest=2 * _MAX_PAIRS + 2,
)
