"""A task that translates a text into another text, for an encoder-decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from models.scratch.encoder_decoder import ScratchEncoderDecoder, ScratchEncoderDecoderConfig
from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import END, NOT_ASKED, PAD, SPECIAL, START, UNKNOWN, Batch, Solution, Task, pad_rows


class TranslationTask(Task):
    """A task that translates a text into another text: the truth is about cross-attention."""

    def answer(self, network: PreTrainedModel, text: str) -> tuple[str, ...] | None:
        """Return the text that a network writes, letter by letter; None if the text is not valid."""
        solution = self.solve(text)
        if solution is None:
            return None
        batch, generate = self.batch([(text, solution)]), _generate(network)
        with torch.inference_mode():
            ids = generate(batch["input_ids"], batch["attention_mask"], max_new_tokens=len(solution.answers))[0, 1:]
        written = [self.labels[number] for number in ids.tolist()]
        return tuple([*written, *[END] * len(solution.answers)][: len(solution.answers)])

    def network(self, settings: Settings) -> PreTrainedModel:
        """Return a new encoder-decoder."""
        start = SPECIAL.index(START)
        return ScratchEncoderDecoder(ScratchEncoderDecoderConfig(**self.sizes(settings), decoder_start_token_id=start))

    def batch(self, samples: Sequence[tuple[str, Solution]]) -> Batch:
        """Return source texts, the decoder's input, and the token to write after each of its positions."""
        vocabulary = self.vocabulary
        unknown = vocabulary[UNKNOWN]
        ids = [
            [*(vocabulary.get(piece, unknown) for piece in self.pieces(text)), vocabulary[END]] for text, _ in samples
        ]
        labels = [[vocabulary[answer] for answer in solution.answers] for _, solution in samples]
        return {
            "input_ids": pad_rows(ids, vocabulary[PAD]),
            "attention_mask": pad_rows([[1] * len(row) for row in ids], 0),
            "decoder_input_ids": pad_rows([[vocabulary[START], *row[:-1]] for row in labels], vocabulary[PAD]),
            "labels": pad_rows(labels, NOT_ASKED),
        }

    def judge(self, network: PreTrainedModel, batch: Batch) -> Bool[Tensor, " row"]:
        """Return which samples are right if the decoder reads its own output."""
        labels = batch["labels"]
        n_tokens = labels.shape[1]
        written = _generate(network)(batch["input_ids"], batch["attention_mask"], max_new_tokens=n_tokens)[:, 1:]
        written = functional.pad(written, (0, n_tokens - written.shape[1]), value=SPECIAL.index(END))
        return ((written == labels) | (labels == NOT_ASKED)).all(-1)


def _generate(network: PreTrainedModel) -> Callable[..., Tensor]:
    return cast(Callable[..., Tensor], network.generate)
