"""Texts to begin with. Each opens at a head that shows its point, with the pair of tokens locked."""

from __future__ import annotations

from dataclasses import dataclass

from ui.state.inspect import DEFAULT_TEXT, first_generate, first_text


@dataclass(frozen=True)
class Example:
    """A text whose query `query` attends to the key `key` in one head of a model far more than other tokens do.

    `point` says what the pair is an example of. The model continues the text by `generate` tokens.
    tests/ui/panels/test_examples.py computes each claim.
    """

    name: str
    text: str
    layer: int
    head: int
    query: int
    key: int
    point: str
    generate: int = 0

    @property
    def selection(self) -> dict[str, object]:
        """The choices of the page that show the example."""
        return {
            "layer": self.layer,
            "head": self.head,
            "token": f"query:{self.query}",
            "partner": f"key:{self.key}",
            "region": "",
        }


OF_MINILM = (
    Example("Coreference", DEFAULT_TEXT, 3, 1, 8, 2, "a pronoun and the noun that it stands for"),
    Example(
        "The trophy",
        "The trophy does not fit in the suitcase because it is too big.",
        *(3, 1, 10, 2),
        "a pronoun that could stand for two nouns",
    ),
    Example(
        "Two banks",
        "She sat on the bank of the river and thought about the bank that held her money.",
        *(2, 9, 13, 5),
        "a word and its earlier occurrence in another sense",
    ),
    Example(
        "Agreement",
        "The keys to the cabinet that the man bought are on the table.",
        *(3, 1, 10, 2),
        "a verb and its subject, with other nouns between them",
    ),
    Example(
        "Repetition",
        "To be, or not to be, that is the question.",
        *(1, 1, 7, 2),
        "a word and its earlier occurrence",
    ),
    Example(
        "Rare words",
        "Unbelievably, the neurophysiologist misdiagnosed pneumonoultramicroscopicsilicovolcanoconiosis.",
        *(1, 9, 9, 8),
        "a piece of a word and the piece before it",
    ),
)
OF_SMOLLM2 = (
    Example(
        "Induction",
        first_text("smollm2"),
        *(18, 6, 13, 6),
        "a piece that came before, and the piece that followed it there: the model writes it",
        first_generate("smollm2"),
    ),
    Example(
        "Who gets it",
        "When Mary and John went to the store, John gave a drink to",
        *(24, 4, 13, 1),
        "the place where a name is missing, and the name that the model writes there",
        2,
    ),
    Example(
        "A fact",
        "The capital of France is",
        *(23, 4, 4, 3),
        "the place of the answer, and the country that the question is about",
        2,
    ),
    Example(
        "Repetition",
        "To be, or not to be, that is the",
        *(8, 1, 6, 1),
        "a word and its earlier occurrence",
        2,
    ),
    Example(
        "The token before",
        "Once upon a time there was a king who had three",
        *(16, 0, 4, 3),
        "a token and the token before it, in a head in which every token does the same",
        2,
    ),
    Example(
        "A sink",
        "A lighthouse keeper counted the ships that passed each night and wrote their number in a",
        *(18, 6, 15, 0),
        "a token and the first one: the head of the first example finds no repetition here",
        2,
    ),
)
OF_E5 = (
    Example(
        "Two languages", first_text("e5"), *(5, 5, 10, 2), "a Chinese word and the English word that it translates"
    ),
    Example(
        "Chinese",
        "王老师很忙，所以他没有来。",
        *(5, 6, 7, 2),
        "a pronoun and the noun that it stands for: the teacher is busy, so he did not come",
    ),
    Example(
        "Arabic",
        "العاصمة الفرنسية هي باريس، وهي مدينة جميلة.",
        *(8, 8, 6, 1),
        "a pronoun and the noun that it stands for: the capital is Paris, and it is a beautiful city",
    ),
    Example(
        "Hindi",
        "बिल्ली ने सड़क पार नहीं की क्योंकि वह बहुत थकी हुई थी।",
        *(8, 8, 8, 1),
        "a pronoun and the noun that it stands for, in the same head as in Arabic: the cat, because it was tired",
    ),
    Example(
        "Japanese",
        "東京は日本の首都です。Tokyo is the capital of Japan.",
        *(5, 10, 8, 2),
        "the first piece of a name and the same name in another script",
    ),
    Example(
        "German compound",
        "Die Donaudampfschifffahrtsgesellschaft is a shipping company.",
        *(6, 11, 11, 5),
        "an English word and the part of a German compound that it translates",
    ),
    Example(
        "Emoji",
        "Ich liebe 🍕. I love 🍕. 我爱🍕。",
        *(5, 5, 13, 4),
        "an emoji and its first occurrence, two languages earlier",
    ),
)
# By the names of the models whose heads the examples name.
EXAMPLES = {"minilm": OF_MINILM, "smollm2": OF_SMOLLM2, "e5": OF_E5}


def examples_for(model: str) -> tuple[Example, ...]:
    """Return the texts to offer for a model: its own, or those of the encoder, which any model can read."""
    return EXAMPLES.get(model, OF_MINILM)


def example_of(model: str, text: str) -> Example | None:
    """Return the example that a text of a model is, if any."""
    return next((each for each in EXAMPLES.get(model, ()) if each.text == text), None)
