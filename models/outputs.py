"""What a model answers: labels with probabilities, or the most probable words of a position.

A trace keeps what the head reads, in the model's dtype: one row of numbers for each token. These are few in comparison
with the queries and keys that it keeps anyway (2.5% in a decoder of 30 layers), and the estimate of its cost covers
them. The logits of all words are computed for one position, when somebody asks for it.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from models.capture.cost import memory_refusal
from models.capture.head import Head
from models.capture.turns import TURNS
from models.errors import BadSelection, HeadlightError, NoAnswer, short_message
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, FIND_SPAN, LABEL_TOKENS, TRANSLATE, WORDS, WRITE
from models.tensors import readonly
from models.tokens import Token

log = logging.getLogger("headlight.models")

MOST_WORDS = 100
# The longest answer to a question, in tokens, as transformers' own pipeline has it.
MOST_SPAN = 15
ShowWords = Callable[[list[int]], tuple[Token, ...]]
NO_EMBEDDING = "This trace has no sentence embedding: trace the text with a model that gives hidden states."
NO_HEAD = "This trace has no answers: its model has no head, so it gives hidden states and attention only."


@dataclass(frozen=True)
class Label:
    """A label of a classifier: `score` is its logit, `probability` None if the model gives a number instead."""

    name: str
    id: int
    score: float
    probability: float | None


@dataclass(frozen=True)
class Word:
    """A token of the vocabulary as an answer: `token.display` as a person reads it, `token.text` its raw piece."""

    token: Token
    probability: float

    def __str__(self) -> str:
        return f"{self.token.display.strip() or self.token.display} {self.probability:.1%}"


@dataclass(frozen=True)
class Span:
    """A part of the text as an answer: its tokens from `first` to `last`, and its characters from `start` to `end`."""

    first: int
    last: int
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class Names:
    """The names of a classifier's labels by id, and how its scores become probabilities.

    `activation` is "softmax" (one label is right), "sigmoid" (each is right or wrong) or "none" (a number).
    """

    of_ids: dict[int, str]
    activation: str

    def label(self, number: int, score: float, probability: float) -> Label:
        """Return the label of an id, named after its number if config.json has no name for it."""
        name = self.of_ids.get(number) or f"label {number}"
        return Label(name, number, score, None if self.activation == "none" else probability)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities `[..., label]` of logits; the logits themselves if they are numbers."""
        if self.activation == "softmax":
            return logits.softmax(-1)
        return logits.sigmoid() if self.activation == "sigmoid" else logits


@dataclass(frozen=True)
class Outputs:
    """What a model answers to what a trace shows; a trace without answers says in `reason` why.

    `task` is the name that the model hub gives to what the head does: "text-classification", "token-classification",
    "question-answering", "fill-mask", "text-generation", "text2text-generation", "image-classification", or "".
    `tokens` are the positions that have answers: those of the decoder, if there is one. After pickling,
    labels and the sentence embedding remain and words do not, because these need the model.
    """

    task: str = ""
    tokens: tuple[Token, ...] = field(default=(), repr=False)
    reason: str = NO_HEAD
    logits: Tensor | None = field(default=None, repr=False)
    hidden: Tensor | None = field(default=None, repr=False)
    names: Names | None = field(default=None, repr=False)
    head: Head | None = field(default=None, repr=False)
    show: ShowWords | None = field(default=None, repr=False)
    mask_id: int | None = None
    versions: tuple[int, ...] = field(default=(), repr=False)
    pooled: Tensor | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return not self.reason

    def __copy__(self) -> Outputs:
        return self

    def __deepcopy__(self, memo: Any) -> Outputs:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        reason = self.reason
        if not reason and self.task in WORDS:
            reason = "This trace was saved without its model, which computes the words: trace the text again for them."
        kept = (self.task, self.tokens, reason, self.logits, None, self.names, None, None, self.mask_id)
        return type(self), (*kept, (), self.pooled)

    @property
    def predicts_next(self) -> bool:
        """Whether the words of a position are those that could follow it, not those that could stand at it."""
        return self.task in (WRITE, TRANSLATE)

    @property
    def masked(self) -> tuple[int, ...]:
        """The positions of the mask token, which a fill-mask model is asked about."""
        return tuple(n for n, token in enumerate(self.tokens) if token.id == self.mask_id and self.mask_id is not None)

    def embedding(self) -> Float[np.ndarray, " d_model"]:
        """Return the sentence embedding in float32, read-only: the hidden states of the last layer as one vector.

        They are pooled as the folder of sentence-transformers says (`models.pooling`), else it is their mean, without
        masked tokens. Of an encoder-decoder they are the encoder's. A model without a head has one too.

        Raises:
            NoAnswer: the model gives no hidden states, or they are not finite.
        """
        if self.pooled is None:
            raise NoAnswer(NO_EMBEDDING)
        if not bool(torch.isfinite(self.pooled).all()):
            raise NoAnswer("The sentence embedding is not a number (NaN), so the weights are damaged: see the notices.")
        return readonly(self.pooled)

    def labels(self, n: SupportsIndex | None = None) -> tuple[Label, ...]:
        """Return the labels of the whole text or picture, the most probable first, at most `n`.

        Raises:
            NoAnswer: the model does not label the whole, or its scores are not finite.
        """
        return self._name(self._scores("labels for the whole", CLASSIFY, CLASSIFY_IMAGE), n)

    def token_labels(self, position: SupportsIndex, n: SupportsIndex | None = None) -> tuple[Label, ...]:
        """Return the labels of one position, the most probable first, at most `n`.

        Raises:
            NoAnswer: the model does not label tokens, or its scores are not finite.
            BadSelection: there is no such position.
        """
        return self._name(self._scores("labels for tokens", LABEL_TOKENS)[self._check(position)], n)

    def spans(self, n: SupportsIndex = 3) -> tuple[Span, ...]:
        """Return the parts of the text that could be the answer to the question, the most probable first, at most `n`.

        The text is the second one of a pair, after the question. The probability is that of the first token times that
        of the last one, among the tokens of the text.

        Raises:
            NoAnswer: the model does not answer questions, or its scores are not finite.
        """
        scores = self._scores("answers to questions", FIND_SPAN)
        read = max((token.segment for token in self.tokens), default=0)
        inside = torch.tensor([token.segment == read and token.start is not None for token in self.tokens])
        if not bool(inside.any()):
            raise NoAnswer("The text has no token that could be an answer: give the question and a text (text_pair).")
        first, last = scores.masked_fill(~inside, -torch.inf).softmax(-1)
        found, most = [], _count(n)
        for length in range(min(MOST_SPAN, len(self.tokens))):
            both = first[: len(first) - length] * last[length:]
            best = both.topk(min(most, len(both)))
            for probability, one in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                start, end = self.tokens[one].start, self.tokens[one + length].end
                if probability > 0 and start is not None and end is not None:
                    found.append(Span(one, one + length, start, end, probability))
        return tuple(sorted(found, key=lambda span: -span.probability)[:most])

    def top_words(self, position: SupportsIndex, n: SupportsIndex = 5) -> tuple[Word, ...]:
        """Return the `n` most probable words of one position, with probabilities over the whole vocabulary.

        They stand at the position (fill-mask) or follow it (`predicts_next`). Computed now, by the model's own head.

        Raises:
            NoAnswer: the model gives no words, its weights have changed since the trace, or they are not finite.
            BadSelection: there is no such position.
            NotEnoughMemory: a logit for each word takes more memory than is free.
        """
        self._refuse_unless("words", WORDS)
        hidden, number = self.hidden, self._check(position)
        if self.head is None or hidden is None or self.show is None:
            raise NoAnswer(self.reason)
        with TURNS.turn(0.0), torch.inference_mode(), memory_refusal(1):
            if versions_of(self.head) != self.versions:
                raise NoAnswer("The model's weights have changed since this trace was made: trace the text again.")
            logits = run_head(lambda head: head.words(hidden[number : number + 1])[0], self.head)
        probabilities = finite(logits).softmax(-1)
        best = probabilities.topk(min(_count(n), MOST_WORDS, len(probabilities)))
        tokens = self.show(best.indices.tolist())
        return tuple(Word(*each) for each in zip(tokens, best.values.tolist(), strict=True))

    def _scores(self, what: str, *tasks: str) -> Tensor:
        self._refuse_unless(what, tasks)
        if self.logits is None:
            raise NoAnswer(self.reason)
        return finite(self.logits)

    def _refuse_unless(self, what: str, tasks: tuple[str, ...]) -> None:
        if not self.task:
            raise NoAnswer(self.reason)
        if self.task not in tasks:
            raise NoAnswer(f"This model gives no {what}: its head is one for {self.task}.")

    def _check(self, position: Any) -> int:
        n_tokens, number = len(self.tokens), _whole_number(position, "position")
        if not -n_tokens <= number < n_tokens:
            raise BadSelection(f"There is no position {number}: the model answers at 0 to {n_tokens - 1}.")
        return number % n_tokens

    def _name(self, scores: Tensor, n: Any) -> tuple[Label, ...]:
        assert self.names is not None
        probabilities = self.names.probabilities(scores)
        best = scores.argsort(descending=True, stable=True)[: len(scores) if n is None else _count(n)]
        return tuple(
            self.names.label(number, float(scores[number]), float(probabilities[number])) for number in best.tolist()
        )


def _whole_number(value: Any, what: str) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise BadSelection(f"A {what} is a whole number, not {value!r:.40}.") from error


def _count(n: Any) -> int:
    return max(_whole_number(n, "number of answers"), 0)


def run_head(compute: Callable[[Head], Tensor], head: Head) -> Tensor:
    """Return the logits of a head in float32 on the CPU, or a refusal if its model is gone or cannot compute them."""
    try:
        return compute(head).float().cpu()
    except HeadlightError:
        raise
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        log.exception("computing an answer")
        raise NoAnswer(f"The model's head does not run ({short_message(error)}): trace the text again.") from error


def finite(logits: Tensor) -> Tensor:
    """Return logits that are numbers, or refuse them.

    Raises:
        NoAnswer: one is NaN, or none is finite.
    """
    if bool(torch.isnan(logits).any()) or not bool(torch.isfinite(logits).any()):
        raise NoAnswer("The model's answer is not a number (NaN), so its weights are damaged: see its notices.")
    return logits


def versions_of(head: Head) -> tuple[int, ...]:
    """Return how often each weight of a head has been changed in place, which a training does."""
    return tuple(0 if weight.is_inference() else weight._version for weight in head.parameters())
