"""Texts to begin with. Each opens at a head that shows its point, with the pair of tokens locked."""

from __future__ import annotations

from dataclasses import dataclass

from ui.state.inspect import DEFAULT_TEXT

# The model whose heads the examples name.
OF_MODEL = "minilm"


@dataclass(frozen=True)
class Example:
    """A text whose query `query` attends to the key `key` in one head of `OF_MODEL` far more than other tokens do.

    `point` says what the pair is an example of. tests/ui/panels/test_examples.py computes each claim.
    """

    name: str
    text: str
    layer: int
    head: int
    query: int
    key: int
    point: str

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


EXAMPLES = (
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


def example_of(model: str, text: str) -> Example | None:
    """Return the example that a text of a model is, if any."""
    return next((each for each in EXAMPLES if model == OF_MODEL and each.text == text), None)
