"""The class of transformers that loads a checkpoint with its head, as config.json names it in `architectures`.

A head is what makes an answer of a model's last hidden states: labels, or words. Only classes of transformers itself
are chosen, and only those that its auto classes know for the family: a name in config.json is data, never a place to
import from.
"""

from __future__ import annotations

import copy
import re
import sys
from typing import Any

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    MODEL_MAPPING,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    MODEL_FOR_PRETRAINING_MAPPING,
)

from models.checkpoints.sounds import find_sound_class, reads_sounds
from models.picture_layouts import LAYOUTS
from models.tasks import CLASSIFY_IMAGE, HEADS, WRITE, classes_of, is_language_pretraining

# Their heads are built only if the configuration says whether there is a decoder.
_UNDECIDED = {"t5gemma", "t5gemma2"}
# They have a class that writes texts: one predicts in any order, the other is a BERT unless it is told otherwise.
_BOTH_WAYS = {"xlnet", "bert-generation"}
_ENCODER_ALONE = re.compile(r"\w+Encoder(Model)?")
_BASE = re.compile(r"\w*(?<!LMHead)(?<!DoubleHeads)Model|\w*Encoder")


def find_class(config: PreTrainedConfig) -> Any:
    """Return the class that loads the model, with its head if transformers knows the class and the task of it."""
    alone = _find_encoder_alone(config)
    if alone is not None:
        return alone
    if reads_sounds(config):
        return find_sound_class(config)
    for name in named_classes(config):
        head = _find_head(config, name)
        if head is not None:
            return head
    if config.is_encoder_decoder:
        return AutoModelForSeq2SeqLM
    reader = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(config.model_type)
    if config.model_type in LAYOUTS and reader in named_classes(config):
        return AutoModelForImageTextToText
    writer = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    writes = writer in named_classes(config) and not _is_bidirectional(config)
    return AutoModelForCausalLM if writes else AutoModel


def named_classes(config: PreTrainedConfig) -> tuple[str, ...]:
    """Return the names in `architectures`, whatever else it contains."""
    names = config.architectures
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list | tuple) else ()


def explain_unloaded_heads(config: PreTrainedConfig, kind: type) -> tuple[str, ...]:
    """Return a sentence for each head that `architectures` names and that the class `kind` does not have."""
    notices = []
    for name in named_classes(config):
        if name == kind.__name__ or _BASE.fullmatch(name):
            continue
        if _knows(config, name):
            reason = (
                "config.json says that the model is no decoder (is_decoder)"
                if name == _name_of(MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)) and _is_bidirectional(config)
                else f"the model is read as {kind.__name__}, and Headlight shows no other answers"
            )
        else:
            reason = f"this version of transformers has no class of that name for the type {config.model_type[:60]}"
        notices.append(
            f"config.json names the head {name[:60]!r}, which is not loaded ({reason}): "
            "the attention is shown without its answers."
        )
    return tuple(notices)


def build_untrained(config: PreTrainedConfig) -> PreTrainedModel:
    """Return the model that a configuration describes, without weights of a checkpoint."""
    own, kind = copy.deepcopy(config), find_class(config)
    if issubclass(kind, PreTrainedModel):
        own.is_encoder_decoder = own.is_encoder_decoder and not is_encoder_alone(kind)
        built: PreTrainedModel = kind(own)
        return built
    automatic: PreTrainedModel = kind.from_config(own, trust_remote_code=False)
    return automatic


def is_encoder_alone(kind: Any) -> bool:
    """Return whether a class is the encoder of an encoder-decoder family, without the decoder."""
    if not issubclass(kind, PreTrainedModel):
        return False
    # T5's label tokens with the encoder alone. Only this family is looked up: all of them take seconds to import.
    family = kind.config_class
    labels_tokens = family and kind in classes_of(MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING.get(family, None))
    return _ENCODER_ALONE.fullmatch(kind.__name__) is not None or bool(labels_tokens)


def _find_head(config: PreTrainedConfig, name: str) -> type[PreTrainedModel] | None:
    """Return the class of that name which the auto classes have for the family, for a task that can be read."""
    if config.model_type in _UNDECIDED and not name.endswith("ForConditionalGeneration"):
        return None
    for task, heads in HEADS:
        for found in classes_of(heads.get(type(config), None)):
            if found.__name__ == name and not (task == WRITE and _is_bidirectional(config)):
                reads_pictures = getattr(_base_of(config), "main_input_name", "") == "pixel_values"
                return found if (task == CLASSIFY_IMAGE) == reads_pictures else None
    pretraining: Any = MODEL_FOR_PRETRAINING_MAPPING.get(type(config), None)
    return pretraining if _name_of(pretraining) == name and is_language_pretraining(config, pretraining) else None


def _find_encoder_alone(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    """Return the class of an encoder of text that was saved without the rest of its family's model (sentence-T5).

    No auto class knows them all, so the class is taken from the family's module, by the name in config.json.
    """
    name = next(iter(named_classes(config)), "")
    if not _ENCODER_ALONE.fullmatch(name):
        return None
    found = _find_in_family(config, name)
    return found if found is not None and found.main_input_name == "input_ids" else None


def _knows(config: PreTrainedConfig, name: str) -> bool:
    return _find_in_family(config, name) is not None


def _find_in_family(config: PreTrainedConfig, name: str) -> type[PreTrainedModel] | None:
    """Return the model of that name in the family's module of transformers, None if it is no model of the family."""
    family = _base_of(config)
    found = getattr(sys.modules[family.__module__], name, None) if family is not None else None
    if not isinstance(found, type) or not issubclass(found, PreTrainedModel):
        return None
    return found if found.config_class is type(config) else None


def _base_of(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    return next(iter(classes_of(MODEL_MAPPING.get(type(config), None))), None)


def _name_of(kind: Any) -> str:
    return getattr(kind, "__name__", "")


def reads_both_ways(config: PreTrainedConfig) -> bool:
    """Return whether a family that can write texts attends to later tokens by its nature, without a missing mask."""
    return _is_bidirectional(config) or config.model_type in _BOTH_WAYS


def _is_bidirectional(config: PreTrainedConfig) -> bool:
    # BERT-like models also have a causal language-model head, for use as a decoder.
    return getattr(config, "is_decoder", None) is False and type(config) in MODEL_FOR_MASKED_LM_MAPPING
