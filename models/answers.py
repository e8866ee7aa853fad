"""How a model answers: its head reads what its body gave in a pass, and the answers become a trace's `Outputs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.utils import ModelOutput

from models.capture.head import Head, last_hidden, row_of
from models.display import visible
from models.errors import NoAnswer
from models.outputs import NO_HEAD, Names, Outputs, ShowWords, run_head, versions_of
from models.tasks import WORDS
from models.tokens import Token


def read_names(config: Any) -> Names:
    """Return the names of a classifier's labels, and how its scores become probabilities.

    transformers' pipelines do the same: a single label is a number if `problem_type` says "regression", else it has a
    separate probability. sentence-transformers writes the activation of a cross-encoder into config.json.
    """
    given = getattr(config, "id2label", None)
    names = {number: visible(str(name)[:80]) for number, name in given.items()} if isinstance(given, dict) else {}
    kind, n_labels = getattr(config, "problem_type", None), getattr(config, "num_labels", len(names))
    own = getattr(config, "sentence_transformers", None)
    activation = str(own.get("activation_fn", "") if isinstance(own, dict) else "")
    activation = activation or str(getattr(config, "sbert_ce_default_activation_function", ""))
    if kind == "regression" or (n_labels == 1 and activation.endswith("Identity")):
        return Names(names, "none")
    alone = n_labels == 1 or kind == "multi_label_classification"
    return Names(names, "sigmoid" if alone else "softmax")


@dataclass(frozen=True)
class Answers:
    """How a model answers: its head, or the reason why it has none, and what names its answers."""

    head: Head | None = None
    reason: str = NO_HEAD
    names: Names | None = None
    show: ShowWords | None = None
    mask_id: int | None = None

    def read(
        self, given: ModelOutput, inputs: Mapping[str, Tensor], tokens: tuple[Token, ...], n_read: int, row: int = 0
    ) -> Outputs:
        """Return the answers to one row of a batch. `given` is what the body gave for `inputs`.

        `tokens` are those that have answers, `n_read` is the number of tokens that the model read; a picture has
        neither. A head that does not
        run gives no answers, with the reason.
        """
        if self.head is None:
            return Outputs(reason=self.reason)
        one = row_of(given, row, len(tokens) or None)
        if self.head.task not in WORDS:
            read = {
                name: values[row : row + 1, : n_read or None]
                for name, values in inputs.items()
                if "decoder" not in name
            }
            return self._label(one, read, tokens)
        hidden = last_hidden(one)
        if hidden is None or hidden.shape[1] != len(tokens):
            return Outputs(reason="This trace has no answers: the model's head does not read one state for each token.")
        return Outputs(
            self.head.task,
            tokens,
            "",
            hidden=hidden[0].cpu().clone(),
            head=self.head,
            show=self.show,
            mask_id=self.mask_id,
            versions=versions_of(self.head),
        )

    def _label(self, given: ModelOutput, inputs: Mapping[str, Tensor], tokens: tuple[Token, ...]) -> Outputs:
        assert self.head is not None
        try:
            logits = run_head(lambda head: head.labels(given, inputs), self.head)
        except NoAnswer as refusal:
            return Outputs(reason=str(refusal))
        return Outputs(self.head.task, tokens, "", logits=logits, names=self.names)
