"""The tasks that a model's head answers, and the classes of transformers that answer them."""

from __future__ import annotations

from typing import Any

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    MODEL_FOR_PRETRAINING_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING,
)

# Tasks by the names that the model hub gives them, with the classes whose heads answer them. A name is searched in this
# order: XLM has one class for both kinds of language models, BART one for masks and for whole texts.
CLASSIFY, CLASSIFY_IMAGE, LABEL_TOKENS = "text-classification", "image-classification", "token-classification"
FIND_SPAN, FILL, WRITE, TRANSLATE = "question-answering", "fill-mask", "text-generation", "text2text-generation"
WORDS = (FILL, WRITE, TRANSLATE)
HEADS: tuple[tuple[str, Any], ...] = (
    (FILL, MODEL_FOR_MASKED_LM_MAPPING),
    (WRITE, MODEL_FOR_CAUSAL_LM_MAPPING),
    (CLASSIFY, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING),
    (LABEL_TOKENS, MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING),
    (FIND_SPAN, MODEL_FOR_QUESTION_ANSWERING_MAPPING),
    (CLASSIFY_IMAGE, MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING),
    (TRANSLATE, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING),
    (TRANSLATE, MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING),
    (WRITE, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING),
)
# Two heads in one class: the words of BERT's are read, the second head (does one sentence follow the other?) is not.
# ELECTRA's and Funnel's tell replaced words from original ones, which is no language model.
_WITH_WORDS = {"albert", "bert", "big_bird", "ernie", "megatron-bert", "mobilebert", "roc_bert"}


def find_task(module: PreTrainedModel) -> str:
    """Return the task that a model's head answers, or "" if it has no head with answers that can be read."""
    config = module.config
    if not type(module).__module__.startswith("transformers."):
        return ""  # the page shows the answers of our own networks next to their tasks
    for task, heads in HEADS:
        if type(module) in classes_of(heads.get(type(config), None)):
            if task != FILL:
                return task
            if config.is_encoder_decoder:
                return TRANSLATE
            left_to_right = getattr(config, "causal", False) or getattr(config, "is_decoder", False)
            return WRITE if left_to_right else FILL
    return FILL if is_language_pretraining(module.config, type(module)) else ""


def is_language_pretraining(config: PreTrainedConfig, kind: Any) -> bool:
    """Return whether a class was saved while a language model of the BERT kind was trained, with two heads."""
    return config.model_type in _WITH_WORDS and kind is MODEL_FOR_PRETRAINING_MAPPING.get(type(config), None)


def classes_of(found: Any) -> tuple[type[PreTrainedModel], ...]:
    """Return the classes that an auto class has for a family: one, several (Funnel's, DeiT's) or none."""
    return () if found is None else found if isinstance(found, tuple) else (found,)
