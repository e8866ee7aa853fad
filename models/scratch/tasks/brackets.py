"""Matching brackets: the position of the partner of each bracket."""

from __future__ import annotations

from random import Random

from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import Solution, Task, frame_solution

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_MAX_PAIRS = 8


class Brackets(Task):
    """Answer at each bracket with the position of its partner, counted from 0."""

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
        for position, bracket in enumerate(brackets):
            if bracket in _PAIRS:
                waiting.append(position)
            elif waiting and _PAIRS[brackets[waiting[-1]]] == bracket:
                partner[position] = waiting.pop()
                partner[partner[position]] = position
            else:
                return None
        if waiting or not brackets or len(brackets) > 2 * _MAX_PAIRS:
            return None
        return frame_solution([str(position) for position in partner], [frozenset([position]) for position in partner])


BRACKETS = Brackets(
    name="brackets",
    title="Matching brackets",
    rule="At each bracket, answer with the position of its partner.",
    looks="Each bracket at its partner, an opening one forward, a closing one back.",
    kind="encoder",
    alphabet=(*_PAIRS, *_PAIRS.values()),
    labels=tuple(str(position) for position in range(2 * _MAX_PAIRS)),
    examples=("([]{()})", "(((())))", "()[]{}()", "{[(){}][]}()"),
    settings=Settings(n_layers=3, steps=2500),
    longest=2 * _MAX_PAIRS + 2,
)
