"""Every head that can be read, of every family: asked alone, it answers what the whole model does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import CONFIG_MAPPING, PreTrainedModel

from models.capture.forward import body, forward_options
from models.capture.head import own_decoder_ids, read_answer, reads_its_text_twice
from models.checkpoints.architectures import find_class, is_encoder_alone
from models.checkpoints.heads import _fit_head
from models.tasks import HEADS
from tests.zoo.build import MAX_PARAMETERS, config_of, sharpen
from tests.zoo.heads_not_tried import NOT_TRIED
from tests.zoo.inputs import inputs_of
from tests.zoo.needs import GAINS

pytestmark = pytest.mark.slow

# Families whose attention cannot be shown at all, and what the synthetic inputs of the zoo cannot express.
UNTRIED = {"longformer", "led", "funnel", "squeezebert", "reformer", "bros", "lxmert", "pi0", "idefics", "blip"}
# The body gives logits (FSMT), more than the head reads (ProphetNet), or is inside another model (EncoderDecoder):
# such a head gives no answers, with a notice.
NO_ANSWERS = {
    "FSMTForConditionalGeneration",
    "ProphetNetForConditionalGeneration",
    "ProphetNetForCausalLM",
    "MllamaForCausalLM",
    "EncoderDecoderModel",
    "VisionEncoderDecoderModel",
    "SpeechT5ForSpeechToText",
    "Kosmos2_5ForConditionalGeneration",
}
OWN = {"headlight_encoder_decoder"}  # has no head apart from its network


def head_classes() -> list[tuple[str, str]]:
    """Return each family with the name of each class that Headlight loads it with.

    They are names because importing the modules of all families takes 6 s, which every process that collects tests
    would need.
    """
    found: dict[tuple[str, str], None] = {}
    for family in sorted(set(CONFIG_MAPPING) - UNTRIED - OWN):
        for _, heads in HEADS:
            names = heads._model_mapping.get(family, ())
            found |= {(family, name): None for name in ([names] if isinstance(names, str) else names)}
    return list(found)


CASES = {"-".join(each): each for each in head_classes()}


def build(family: str, kind: type[PreTrainedModel]) -> PreTrainedModel:
    """Return a small module of a class, which is the one that Headlight loads."""
    config: Any = config_of(family)
    config.architectures = [kind.__name__]
    assert find_class(config) is kind
    with torch.device("meta"):
        assert sum(each.numel() for each in kind(config).parameters()) <= MAX_PARAMETERS
    config.is_encoder_decoder = config.is_encoder_decoder and not is_encoder_alone(kind)
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = 0
    torch.manual_seed(7)
    module = kind(config).eval().requires_grad_(False)
    sharpen(module, GAINS.get(family, 1.0), 7)
    return module


def read(module: PreTrainedModel, family: str) -> tuple[dict[str, Tensor], Tensor]:
    """Return what the module reads, and what it answers."""
    inputs = inputs_of(module, family)[1]
    if reads_its_text_twice(module):
        inputs.pop("decoder_input_ids", None)
        inputs["input_ids"][0, -1] = module.config.eos_token_id
    return inputs, read_answer(module(**inputs, **forward_options(module)))[0]


def test_heads_that_are_not_tried_are_heads():
    """A name that is no longer one of transformers would hide that nobody looks."""
    assert set(CASES) > NOT_TRIED
    assert set(CASES) - NOT_TRIED >= {"bert-BertForMaskedLM", "llama-LlamaForCausalLM", "t5-T5ForConditionalGeneration"}
    assert len(set(CASES) - NOT_TRIED) >= 560


@pytest.mark.parametrize(
    ("family", "name"), [pytest.param(*case, id=name) for name, case in CASES.items() if name not in NOT_TRIED]
)
def test_a_head_alone_answers_what_the_model_does(family, name):
    module = build(family, getattr(transformers, name))
    with torch.inference_mode():
        inputs, answer = read(module, family)
        twice = reads_its_text_twice(module)
        given = {**inputs, "decoder_input_ids": own_decoder_ids(module, inputs)} if twice else inputs
        output = body(module)(**given, **forward_options(body(module)))
        head = _fit_head(module, output, inputs, answer)
    if name in NO_ANSWERS:
        assert head is None
    else:
        assert head is not None
