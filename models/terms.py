"""The terms in which two answers of a model are compared: its own probabilities, numbers, or the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.utils import ModelOutput

from models.errors import NoAnswer
from models.outputs import Outputs, run_head
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, FILL, FIND_SPAN, LABEL_TOKENS, WORDS

# How many probabilities are computed at once for the words of several rows: 64 MB.
_MOST_TOGETHER = 2**23
_MOST_ROWS = 1_024
NO_TERMS = "The model gives neither an answer nor hidden states, so there is nothing to compare: choose another model."


@dataclass(frozen=True)
class Answered:
    """The answers of some rows: what each row answers, and what the body of the model gave for all of them."""

    outputs: Sequence[Outputs]
    given: ModelOutput

    def part(self, start: int, n_rows: int) -> Answered:
        """Return some of the rows."""
        return Answered(self.outputs[start : start + n_rows], rows_of(self.given, start, n_rows))


def rows_of(given: ModelOutput, start: int, n_rows: int) -> ModelOutput:
    """Return some of the rows of what a body gave."""
    rows = {name: value[start : start + n_rows] for name, value in given.items() if isinstance(value, Tensor)}
    return type(given)(**rows)


@dataclass(frozen=True)
class Terms:
    """What is compared: `name` in words, the untouched `answer` in words, and its position or positions.

    `kind` is "probabilities" (of options at one or several places), "numbers" (one for each place) or "embedding".
    `answers` has the option that is the untouched answer, for each place; if `joint`, the answer is right only if all
    places are.
    """

    name: str
    kind: str
    task: str = ""
    answer: str = ""
    positions: tuple[int, ...] = ()
    answers: Int[np.ndarray, " place"] | None = None
    joint: bool = False


@runtime_checkable
class ReadsRows(Protocol):
    """Reads the rows of a batch in some terms: log probabilities `[row, place, option]`, or values `[row, value]`.

    `n_together` is how many rows may be read at once.
    """

    terms: Terms
    n_together: int

    def rows(self, answered: Answered) -> Float[np.ndarray, "row ..."]:
        """Return the rows in float64."""


class Embedding:
    """The sentence embedding of each row, `[row, d_model]`."""

    terms = Terms("the sentence embedding", "embedding")
    n_together = _MOST_ROWS

    def rows(self, answered: Answered) -> Float[np.ndarray, "row d_model"]:
        """Return the embeddings; NaN stays NaN."""
        found = [outputs.pooled for outputs in answered.outputs]
        return torch.stack([one for one in found if one is not None]).double().numpy()


class Words:
    """The words at some positions, `[row, place, word]` log probabilities."""

    def __init__(self, outputs: Outputs, given: ModelOutput, positions: tuple[int, ...]) -> None:
        self._positions = positions
        found = self.rows(Answered([outputs], given))[0]
        if not np.isfinite(found).any():
            raise NoAnswer("The model's answer is not a number (NaN), so its weights are damaged: see its notices.")
        ids = found.argmax(-1)
        assert outputs.show is not None
        shown = [token.display.strip() or token.display for token in outputs.show(ids.tolist())]
        name = "the next token" if outputs.predicts_next else "the masked token" + "s" * (len(positions) > 1)
        self.terms = Terms(name, "probabilities", outputs.task, " ".join(shown), positions, ids)
        self.n_together = max(1, _MOST_TOGETHER // found.size)

    def rows(self, answered: Answered) -> Float[np.ndarray, "row place word"]:
        """Return log probabilities over the whole vocabulary."""
        head = answered.outputs[0].head
        assert head is not None
        states = [one.hidden[list(self._positions)] for one in answered.outputs if one.hidden is not None]
        hidden = torch.stack(states)
        logits = run_head(lambda one: one.words(hidden.flatten(0, 1)), head)
        return logits.double().log_softmax(-1).unflatten(0, hidden.shape[:2]).numpy()


class Labels:
    """Labels at one place or at each token, or one number, from the logits of a head."""

    n_together = _MOST_ROWS

    def __init__(self, outputs: Outputs) -> None:
        assert outputs.names is not None
        self._names, logits = outputs.names, _places(outputs)
        if self._names.activation == "none":
            self.terms = Terms("the number that the model gives", "numbers", outputs.task, f"{float(logits[0, 0]):.4g}")
            return
        ids = logits.argmax(-1)
        of_tokens = outputs.task == LABEL_TOKENS
        shown = [self._names.label(int(one), 0.0, 0.0).name for one in ids]
        name = "the labels of the tokens" if of_tokens else "the label"
        answer = "" if of_tokens else shown[0]
        self._ids = ids
        if self._names.activation == "sigmoid":
            ids = torch.ones_like(ids)
        self.terms = Terms(name, "probabilities", outputs.task, answer, (), ids.numpy())

    def rows(self, answered: Answered) -> Float[np.ndarray, "row ..."]:
        """Return log probabilities of the labels, or of no and yes if each label is right or wrong, or the numbers."""
        logits = torch.stack([_places(outputs) for outputs in answered.outputs]).double()
        if self._names.activation == "none":
            return logits[:, 0].numpy()
        if self._names.activation == "softmax":
            return logits.log_softmax(-1).numpy()
        own = logits.gather(-1, self._ids.expand(len(logits), -1)[..., None])[..., 0]
        return torch.stack([torch.nn.functional.logsigmoid(-own), torch.nn.functional.logsigmoid(own)], -1).numpy()


def _places(outputs: Outputs) -> Tensor:
    """Return the logits of a classifier as `[place, label]`; of tokens without those that the tokenizer adds."""
    if outputs.logits is None:
        raise NoAnswer(outputs.reason)
    logits = outputs.logits.float()
    if outputs.task != LABEL_TOKENS:
        return logits[None] if logits.dim() == 1 else logits
    own = [n for n, token in enumerate(outputs.tokens) if not token.special]
    return logits[own] if own else logits


class Span:
    """Where the answer to a question begins and ends, `[row, 2, token]` log probabilities within the text."""

    n_together = _MOST_ROWS

    def __init__(self, outputs: Outputs) -> None:
        (best,) = outputs.spans(1)
        read = max(token.segment for token in outputs.tokens)
        self._inside = torch.tensor([token.segment == read and token.start is not None for token in outputs.tokens])
        answer = " ".join(token.display.strip() for token in outputs.tokens[best.first : best.last + 1])
        ends = np.array([best.first, best.last])
        positions = (best.first, best.last)
        self.terms = Terms("the answer", "probabilities", outputs.task, answer, positions, ends, joint=True)

    def rows(self, answered: Answered) -> Float[np.ndarray, "row place token"]:
        """Return the log probabilities of the first and of the last token."""
        logits = torch.stack([outputs.logits for outputs in answered.outputs if outputs.logits is not None]).double()
        return logits.masked_fill(~self._inside, -torch.inf).log_softmax(-1).numpy()


class OwnOutputs:
    """What a network of models/scratch gives at each position: log probabilities, or values of a signal."""

    n_together = _MOST_ROWS

    def __init__(self, given: ModelOutput, n_values: int) -> None:
        self._is_value = bool(n_values)
        logits = self._logits(given)
        if self._is_value:
            self.terms = Terms("the values that the model gives", "numbers")
            return
        self.terms = Terms("the outputs of the model", "probabilities", answers=logits[0].argmax(-1).numpy())

    def rows(self, answered: Answered) -> Float[np.ndarray, "row place *option"]:
        """Return log probabilities, or the values."""
        logits = self._logits(answered.given)
        return (logits.flatten(1) if self._is_value else logits.log_softmax(-1)).numpy()

    @staticmethod
    def _logits(given: ModelOutput) -> Tensor:
        logits = given["logits"].detach().double().cpu()
        return logits[:, None] if logits.dim() == 2 else logits


def read_terms(outputs: Outputs, given: ModelOutput, n_values: int = 0) -> ReadsRows:
    """Return the terms of a model's untouched answer; `n_values` is that of a network of models/scratch.

    Raises:
        NoAnswer: it gives nothing that can be compared, or no numbers.
    """
    if outputs and outputs.task in WORDS:
        positions = outputs.masked if outputs.task == FILL else (len(outputs.tokens) - 1,)
        if positions:
            return Words(outputs, given, positions)
    elif outputs and outputs.task in (CLASSIFY, CLASSIFY_IMAGE, LABEL_TOKENS):
        return Labels(outputs)
    elif outputs and outputs.task == FIND_SPAN:
        return Span(outputs)
    if outputs.pooled is not None:
        return Embedding()
    if given.get("logits") is not None:
        return OwnOutputs(given, n_values)
    raise NoAnswer(NO_TERMS)
