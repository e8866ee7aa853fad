"""Agreement: a verb takes its number from its subject, whatever words are between the two.

The question of Linzen, Dupoux and Goldberg 2016, "Assessing the Ability of LSTMs to Learn Syntax-Sensitive
Dependencies", arXiv:1611.01368, in a small grammar: "the keys to the cabinet ___ old".
"""

from __future__ import annotations

from random import Random

from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import Solution, Task, frame_solution

BLANK = "___"
_NOUNS = {
    **{"key": "keys", "cabinet": "cabinets", "author": "authors", "book": "books", "dog": "dogs", "tree": "trees"},
    **{"house": "houses", "boy": "boys", "girl": "girls", "teacher": "teachers", "picture": "pictures"},
    **{"farmer": "farmers"},
}
_PLURALS = set(_NOUNS.values())
_VERBS = {"sees": "see", "likes": "like", "knows": "know"}
_ADJECTIVES = ("old", "new", "small", "tall", "quiet", "red")
_PREPOSITIONS = ("near", "behind", "of", "with", "to")


class Agreement(Task):
    """Say "is" or "are" at the blank."""

    def text(self, random: Random) -> str:
        """Return a subject with up to two additions that contain other nouns, and sometimes one before it."""
        words = [*self._addition(random, lead=True), ","] if random.random() < 0.3 else []
        words += self._noun(random)
        for _ in range(random.choices((0, 1, 2), (1, 3, 3))[0]):
            words += self._addition(random)
        return " ".join([*words, BLANK, random.choice(_ADJECTIVES)])

    def _noun(self, random: Random) -> list[str]:
        adjective = [random.choice(_ADJECTIVES)] if random.random() < 0.3 else []
        return ["the", *adjective, random.choice(tuple(_NOUNS.items()))[random.random() < 0.5]]

    def _addition(self, random: Random, *, lead: bool = False) -> list[str]:
        if lead or random.random() < 0.6:
            return [random.choice(_PREPOSITIONS[: 2 if lead else None]), *self._noun(random)]
        noun = self._noun(random)
        return ["that", *noun, random.choice(tuple(_VERBS.items()))[noun[-1] in _PLURALS]]

    def solve(self, text: str) -> Solution | None:
        """The subject is the first noun after a leading addition."""
        words = self.pieces(text)
        if words.count(BLANK) != 1 or not set(words) <= set(self.alphabet) or len(words) > self.longest - 2:
            return None
        blank, first = words.index(BLANK), words.index(",") + 1 if "," in words else 0
        subject = next((i for i in range(first, blank) if words[i] in _NOUNS or words[i] in _PLURALS), None)
        if subject is None:
            return None
        answers, truth = [""] * len(words), [frozenset[int]() for _ in words]
        answers[blank] = "are" if words[subject] in _PLURALS else "is"
        truth[blank] = frozenset([subject])
        return frame_solution(answers, truth)


AGREEMENT = Agreement(
    name="agreement",
    title="A verb and its subject",
    rule="At the blank, say “is” or “are”.",
    looks="The blank at the subject, past nouns of the other number.",
    kind="encoder",
    alphabet=(
        *("the", "that", ",", BLANK),
        *_NOUNS,
        *sorted(_PLURALS),
        *_VERBS,
        *_VERBS.values(),
        *_ADJECTIVES,
        *_PREPOSITIONS,
    ),
    labels=("is", "are"),
    examples=(
        f"the keys to the cabinet {BLANK} old",
        f"the author that the teachers know {BLANK} quiet",
        f"near the trees , the dog with the boys of the farmers {BLANK} small",
    ),
    settings=Settings(n_layers=2, steps=800),
    longest=26,
    by_word=True,
)
