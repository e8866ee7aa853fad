"""Every head that can be read, of every family: asked alone, it answers what the whole model does."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import CONFIG_MAPPING, PreTrainedModel

from models.capture.forward import body, forward_options
from models.capture.head import own_decoder_ids, read_answer, reads_its_text_twice
from models.checkpoints.architectures import find_class, is_encoder_alone
from models.checkpoints.heads import _fit_head
from models.tasks import HEADS, classes_of
from tests.zoo.build import MAX_PARAMETERS, config_of, sharpen
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
NOT_BUILT = (ValueError, TypeError, AttributeError, RuntimeError, LookupError, StrictDataclassError)
OWN = {"headlight_encoder_decoder"}  # has no head apart from its network
SAMPLE = {
    "bert", "roberta", "gpt2", "llama", "gemma2", "cohere", "granite", "opt", "t5", "bart", "xlnet", "vit", "bloom"
}  # fmt: skip


def head_classes() -> list[tuple[str, type[PreTrainedModel]]]:
    """Return each family with each class that Headlight loads it with."""
    found = {}
    for family in sorted(set(CONFIG_MAPPING) - UNTRIED - OWN):
        for _, heads in HEADS:
            for kind in classes_of(heads.get(CONFIG_MAPPING[family], None)):
                found[family, kind.__name__] = kind
    return [(family, kind) for (family, _), kind in found.items()]


CASES = [
    pytest.param(*each, id=f"{each[0]}-{each[1].__name__}", marks=() if each[0] in SAMPLE else pytest.mark.slow)
    for each in head_classes()
]


def leave_out(family: str, why: str) -> NoReturn:
    """Skip a family that the zoo's own configurations or inputs do not fit; one of the sample always fits."""
    if family in SAMPLE:
        pytest.fail(why)
    pytest.skip(why)


def build(family: str, kind: type[PreTrainedModel]) -> PreTrainedModel:
    """Return a small module of a class; skips what the zoo cannot build, or what another class is loaded for."""
    try:
        config: Any = config_of(family)
        config.architectures = [kind.__name__]
    except (*NOT_BUILT, ImportError) as error:
        leave_out(family, f"not built: {error!r:.80}")
    if find_class(config) is not kind:  # ours: a failure here is a failure of the test
        pytest.skip("loaded as another class")
    try:
        with torch.device("meta"):
            if sum(each.numel() for each in kind(config).parameters()) > MAX_PARAMETERS:
                pytest.skip("not small")
        config.is_encoder_decoder = config.is_encoder_decoder and not is_encoder_alone(kind)
        if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
            config.decoder_start_token_id = 0
        torch.manual_seed(7)
        module = kind(config).eval().requires_grad_(False)
    except (*NOT_BUILT, ImportError) as error:
        leave_out(family, f"not built: {error!r:.80}")
    sharpen(module, GAINS.get(family, 1.0), 7)
    return module


def read(module: PreTrainedModel, family: str) -> tuple[dict[str, Tensor], Tensor]:
    """Return what the module reads, and what it answers; skips what it cannot read."""
    try:
        inputs = inputs_of(module, family)[1]
        if reads_its_text_twice(module):
            inputs.pop("decoder_input_ids", None)
            inputs["input_ids"][0, -1] = module.config.eos_token_id
        output = module(**inputs, **forward_options(module))
    except (*NOT_BUILT, StopIteration, AssertionError) as error:
        leave_out(family, f"not read: {error!r:.80}")
    return inputs, read_answer(output)[0]


@pytest.mark.parametrize(("family", "kind"), CASES)
def test_a_head_alone_answers_what_the_model_does(family, kind):
    module = build(family, kind)
    with torch.inference_mode():
        inputs, answer = read(module, family)
        twice = reads_its_text_twice(module)
        given = {**inputs, "decoder_input_ids": own_decoder_ids(module, inputs)} if twice else inputs
        output = body(module)(**given, **forward_options(body(module)))
        head = _fit_head(module, output, inputs, answer)
    if kind.__name__ in NO_ANSWERS:
        assert head is None
    else:
        assert head is not None
