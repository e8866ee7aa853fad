"""The head of a loaded model: found, and tried on a short input, before it may answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from models.answers import Answers, read_names
from models.capture.forward import body, forward_options, image_inputs, model_inputs
from models.capture.head import Head, last_hidden, own_decoder_ids, read_answer, reads_its_text_twice, row_of
from models.checkpoints.processors import PROBE_TEXT, InputProcessors
from models.errors import is_panic
from models.images import probe_picture
from models.sound_reader import probe_of_sound
from models.tasks import WORDS, find_task

log = logging.getLogger("headlight.models")

# The probe is short, because a logit for each word and position may take much memory.
_MOST_TOKENS, _MOST_TARGET = 5, 3
# The largest difference of a logit from the model's own, as a share of the largest logit. A row alone is multiplied in
# another order than many rows are. Measured over all families with a head in tests/zoo: 2e-6 in float32.
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


def find_answers(module: PreTrainedModel, processors: InputProcessors) -> tuple[Answers, tuple[str, ...]]:
    """Return how a loaded model answers, and a sentence if it has a head whose answers cannot be trusted."""
    kind, untrained = type(module).__name__, untrained_weights(module)
    if not find_task(module):
        return Answers(), ()
    if untrained:
        reason = f"weights of {kind} are not in the checkpoint ({', '.join(untrained[:3])[:160]}), so they are random"
        return Answers(reason=f"This trace has no answers: {reason}."), ()
    try:
        with torch.inference_mode():
            head = _try_head(module, processors)
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        log.info("the head of %s: %r", kind, error)
        head = None
    if head is None:
        reason = f"the answers of {kind} cannot be computed from its last hidden states alone"
        return Answers(reason=f"This trace has no answers: {reason}."), (
            f"The model's answers are not shown: {reason}.",
        )
    mask_id = getattr(processors.tokenizer, "mask_token_id", None)
    names = None if head.task in WORDS else read_names(module.config)
    return Answers(head, "", names, mask_id=mask_id), ()


def untrained_weights(module: PreTrainedModel) -> tuple[str, ...]:
    """Return the names of weights that loading has initialised at random."""
    return tuple(vars(module).get("untrained_weights", ()))


def _try_head(module: PreTrainedModel, processors: InputProcessors) -> Head | None:
    """Return the head if it gives the logits of the whole model for a short input, else None."""
    with _short_inputs(module, processors) as inputs:
        answer = read_answer(module(**inputs, **forward_options(module)))[0]
        twice = reads_its_text_twice(module)
        given = {**inputs, "decoder_input_ids": own_decoder_ids(module, inputs)} if twice else inputs
        output = body(module)(**given, **forward_options(body(module)))
        return _fit_head(module, output, inputs, answer)


def _fit_head(
    module: PreTrainedModel, output: ModelOutput, inputs: Mapping[str, Tensor], answer: Tensor
) -> Head | None:
    """Return the head that makes `answer` of what the body gave, None if none does."""
    largest = _TOLERANCE.get(module.dtype, 1e-4) * max(1.0, float(answer.float().nan_to_num(0, 0, 0).abs().max()))
    for within in ((), ("decoder",)):
        with suppress(AttributeError, LookupError, TypeError, ValueError, RuntimeError):
            head = Head(module, output, within)
            found = _answer_in_parts(head, output, inputs)
            if found.shape == answer.shape and torch.allclose(found, answer, rtol=0, atol=largest, equal_nan=True):
                return head
    return None


def _answer_in_parts(head: Head, output: ModelOutput, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return what a head answers to what the body gave, in the way in which traces ask it."""
    hidden = last_hidden(output)
    if head.task in WORDS and hidden is not None:
        return torch.cat([head.words(row[None]) for row in hidden[0]])
    return head.labels(row_of(output, 0, None), inputs)


@contextmanager
def _short_inputs(module: PreTrainedModel, processors: InputProcessors) -> Iterator[dict[str, Tensor]]:
    if processors.sounds is not None:
        with probe_of_sound(module, processors.sounds, processors.tokenizer, type(module).__name__) as inputs:
            yield inputs
        return
    if processors.images is not None:
        yield image_inputs(module, processors.images.read(probe_picture()))
        return
    assert processors.tokenizer is not None
    encoded = processors.tokenizer(PROBE_TEXT, truncation=True, max_length=_MOST_TOKENS, verbose=False)
    inputs = model_inputs(module, dict(encoded))
    if module.config.is_encoder_decoder and find_task(module) in WORDS:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :_MOST_TARGET]
    yield inputs
