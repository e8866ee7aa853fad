"""What a gradient is of: one number of a model's own answer, a class, a token or the length of an embedding."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from models.errors import BadSelection, NoAnswer
from models.outputs import Names, Outputs, finite
from models.tasks import CLASSIFY, CLASSIFY_IMAGE, FILL, FIND_SPAN, LABEL_TOKENS, WORDS
from models.token_names import TokenNames

EMBEDDING = "embedding"
# `class:` or `token:`, an id or a name, and the position that it is read at.
_NAMED = re.compile(r"(class|token):(.+?)(?:@(\d{1,9}))?", re.DOTALL)
_LONGEST = 40


@dataclass(frozen=True)
class Goal:
    """One number with a gradient, and what it is of, as it follows "The gradient is of"."""

    value: Float[Tensor, ""]
    title: str


@dataclass(frozen=True)
class Answering:
    """What a goal is computed from.

    `outputs` are the answers as a trace has them. `labels()`, `words(position)` and `embedding()` compute the logits of
    labels, the logits `[word]` of a position, and the embedding `[d_model]`, each with a gradient. `tokens` names
    the words.
    """

    outputs: Outputs
    names: Names | None
    labels: Callable[[], Tensor]
    words: Callable[[int], Tensor]
    embedding: Callable[[], Tensor]
    tokens: TokenNames

    def goal(self, target: str | None) -> Goal:
        """Return the goal of a target, None for the model's own answer (`gradient_attention` describes targets).

        Raises:
            NoAnswer: the model does not answer in this way, or its answer is not a number.
            BadSelection: it has no such class, token or position.
        """
        if target is None:
            return self._own()
        if target == EMBEDDING:
            return self._length()
        match = _NAMED.fullmatch(target)
        if match is None:
            return self._named(target)
        kind, name, position = match.groups()
        place = None if position is None else self._check(int(position))
        return self._class(name, place) if kind == "class" else self._token(name, place)

    def _own(self) -> Goal:
        outputs, task = self.outputs, self.outputs.task
        if not outputs or (task == FILL and not outputs.masked):
            return self._length()
        if task in (CLASSIFY, CLASSIFY_IMAGE):
            return self._class(str(outputs.labels(1)[0].id), None)
        if task == LABEL_TOKENS:
            best = [outputs.token_labels(position, 1)[0].id for position in range(len(outputs.tokens))]
            return Goal(self.labels()[range(len(best)), best].sum(), "the labels that the model gives to all tokens")
        if task == FIND_SPAN:
            span = outputs.spans(1)[0]
            start, end = self.labels()
            return Goal(start[span.first] + end[span.last], f"the answer from token {span.first} to {span.last}")
        places = outputs.masked if task == FILL else (len(outputs.tokens) - 1,)
        logits = [self._finite_words(place) for place in places]
        best = [int(row.argmax()) for row in logits]
        value = torch.stack([row[number] for row, number in zip(logits, best, strict=True)]).sum()
        shown = " and ".join(repr(self.tokens.show(number)) for number in best[:3])
        return Goal(value, f"{shown} {self._where(places)}")

    def _finite_words(self, place: int) -> Float[Tensor, " word"]:
        return finite(self.words(place))

    def _length(self) -> Goal:
        embedding = self.embedding().float()
        return Goal(embedding.norm(), "the length of the text's embedding")

    def _named(self, text: str) -> Goal:
        task = self.outputs.task
        if task in WORDS:
            return self._token_of_id(self.tokens.find(text), None)
        if task in (CLASSIFY, CLASSIFY_IMAGE, LABEL_TOKENS):
            return self._class(text, None)
        raise BadSelection(
            f"There is no target {text[:_LONGEST]!r}: this model has {self._kind()}, so leave the target out, or give "
            f'"{EMBEDDING}".'
        )

    def _class(self, name: str, place: int | None) -> Goal:
        task = self.outputs.task
        if task not in (CLASSIFY, CLASSIFY_IMAGE, LABEL_TOKENS) or self.names is None:
            raise NoAnswer(f"This model gives no classes: it has {self._kind()}. {self._other_targets()}")
        scores = finite(self.labels())
        number = self._class_id(name, scores.shape[-1])
        title = f"the label {self.names.label(number, 0.0, 0.0).name}"
        if task != LABEL_TOKENS:
            if place is not None:
                raise BadSelection("This model labels the whole text, not its tokens: leave out the position after @.")
            return Goal(scores[number], title)
        if place is None:
            return Goal(scores[:, number].sum(), f"{title} at all tokens")
        return Goal(scores[place, number], f"{title} at token {place}")

    def _class_id(self, name: str, n_classes: int) -> int:
        assert self.names is not None
        known = {self.names.label(number, 0.0, 0.0).name: number for number in range(n_classes)}
        if name in known:
            return known[name]
        if name.isdecimal() and int(name[:10]) < n_classes:
            return int(name)
        few = ", ".join(list(known)[:5]) + (", ..." if n_classes > 5 else "")
        raise BadSelection(
            f"There is no class {name[:_LONGEST]!r}: this model has the classes 0 to {n_classes - 1} ({few})."
        )

    def _token(self, name: str, place: int | None) -> Goal:
        if self.outputs.task not in WORDS:
            raise NoAnswer(f"This model predicts no tokens: it has {self._kind()}. {self._other_targets()}")
        return self._token_of_id(int(name[:10]) if name.isdecimal() else self.tokens.find(name), place)

    def _token_of_id(self, number: int, place: int | None) -> Goal:
        outputs = self.outputs
        if place is not None:
            places: tuple[int, ...] = (place,)
        elif outputs.task == FILL:
            places = outputs.masked
        else:
            places = (len(outputs.tokens) - 1,)
        if not places:
            raise NoAnswer(
                "The text has no mask token, so there is no place that the model predicts a token for: put one into "
                f'the text, or name a position, such as "token:{number}@1".'
            )
        logits = [self._finite_words(one) for one in places]
        if number >= len(logits[0]):
            raise BadSelection(
                f"There is no token {number:,}: this model predicts the ids 0 to {len(logits[0]) - 1:,}."
            )
        title = f"{self.tokens.show(number)!r} {self._where(places)}"
        return Goal(torch.stack([row[number] for row in logits]).sum(), title)

    def _where(self, places: tuple[int, ...]) -> str:
        named = " and ".join(str(place) for place in places[:3]) + (" and more" if len(places) > 3 else "")
        if self.outputs.predicts_next:
            return "as the next token" if places[0] == len(self.outputs.tokens) - 1 else f"after token {named}"
        return f"at token {named}"

    def _check(self, place: int) -> int:
        n_tokens = len(self.outputs.tokens)
        if place >= n_tokens:
            raise BadSelection(f"There is no position {place}: the model answers at 0 to {n_tokens - 1}.")
        return place

    def _kind(self) -> str:
        return f"a head for {self.outputs.task}" if self.outputs.task else "no head"

    def _other_targets(self) -> str:
        return f'Leave the target out, or give "{EMBEDDING}".'
