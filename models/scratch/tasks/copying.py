"""Three tasks that copy each letter from one position: the one before, the mirrored one, the next in rank."""

from __future__ import annotations

from random import Random
from string import ascii_lowercase

from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import Solution, Task, frame_solution

_LETTERS = tuple(ascii_lowercase)


def _letters(random: Random, shortest: int, longest: int) -> str:
    return " ".join(random.choices(_LETTERS, k=random.randint(shortest, longest)))


class _Copying(Task):
    """The common part of the three: a text consists of letters, as many as the model has positions for."""

    def letters(self, text: str) -> list[str] | None:
        """Return the letters of a text, None if the text is not valid."""
        letters = self.pieces(text)
        fits = 1 <= len(letters) <= self.longest - 2
        return letters if fits and set(letters) <= set(self.alphabet) else None


class Previous(_Copying):
    """Say the letter before: the head that all others build on."""

    def text(self, random: Random) -> str:
        """Return 2 to 22 letters."""
        return _letters(random, 2, 22)

    def solve(self, text: str) -> Solution | None:
        """Each letter's answer is the one before it."""
        letters = self.letters(text)
        if letters is None:
            return None
        return frame_solution(["", *letters[:-1]], [frozenset([i - 1] if i else []) for i in range(len(letters))])


class Reversal(_Copying):
    """Say the text backwards."""

    def text(self, random: Random) -> str:
        """Return 2 to 16 letters."""
        return _letters(random, 2, 16)

    def solve(self, text: str) -> Solution | None:
        """Position i answers with the letter at n - 1 - i."""
        letters = self.letters(text)
        if letters is None:
            return None
        return frame_solution(letters[::-1], [frozenset([len(letters) - 1 - i]) for i in range(len(letters))])


class Sorting(_Copying):
    """Say the letters in the order of the alphabet."""

    def text(self, random: Random) -> str:
        """Return 2 to 12 letters."""
        return _letters(random, 2, 12)

    def solve(self, text: str) -> Solution | None:
        """Position i answers with the letter of rank i, at any position of the text."""
        letters = self.letters(text)
        if letters is None:
            return None
        ordered = sorted(letters)
        return frame_solution(
            ordered, [frozenset(i for i, one in enumerate(letters) if one == letter) for letter in ordered]
        )


PREVIOUS = Previous(
    name="previous",
    title="The letter before",
    rule="At each letter, say the one before it.",
    looks="Each letter at the one before it: a line just below the diagonal.",
    kind="encoder",
    alphabet=_LETTERS,
    labels=_LETTERS,
    examples=("h e a d l i g h t", "t o b e o r n o t t o b e", "a a a b a a a"),
    settings=Settings(n_layers=1, steps=1200),
    longest=24,
)
REVERSAL = Reversal(
    name="reversal",
    title="Backwards",
    rule="Say the text backwards: at each position, the letter of the mirrored position.",
    looks="Each position at its mirror image: the other diagonal.",
    kind="encoder",
    alphabet=_LETTERS,
    labels=_LETTERS,
    examples=("h e a d l i g h t", "s t r e s s e d", "a b c"),
    settings=Settings(n_layers=2, steps=6000),
    longest=18,
)
SORTING = Sorting(
    name="sorting",
    title="Sorting",
    rule="Say the letters in the order of the alphabet.",
    looks="The first position at the earliest letter, the second at the next: a permutation.",
    kind="encoder",
    alphabet=_LETTERS,
    labels=_LETTERS,
    examples=("h e a d l i g h t", "q u i c k l y", "z y x w v u"),
    settings=Settings(n_layers=2, steps=3000),
    longest=14,
)
