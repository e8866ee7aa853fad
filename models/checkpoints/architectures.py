"""The class of transformers that loads a checkpoint, as its config.json names it in `architectures`."""

from __future__ import annotations

import copy
import re
import sys
from typing import Any

from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_MAPPING,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from models.checkpoints.sounds import find_sound_class, reads_sounds


def find_class(config: PreTrainedConfig) -> Any:
    """Return the class that loads the model, with a head that can generate if the checkpoint has one."""
    alone = _find_encoder_alone(config)
    if alone is not None:
        return alone
    if reads_sounds(config):
        return find_sound_class(config)
    if config.is_encoder_decoder:
        return AutoModelForSeq2SeqLM
    head = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    writes = head in (config.architectures or ()) and not _is_bidirectional(config)
    return AutoModelForCausalLM if writes else AutoModel


def _find_encoder_alone(config: PreTrainedConfig) -> type[PreTrainedModel] | None:
    """Return the class of an encoder of text that was saved without the rest of its family's model (sentence-T5).

    No auto class knows them all, so the class is taken from the family's module, by the name in config.json.
    """
    family = MODEL_MAPPING.get(type(config), None)
    name = str(next(iter(config.architectures or ()), ""))
    if family is None or not re.fullmatch(r"\w+Encoder(Model)?", name):
        return None
    found = getattr(sys.modules[family.__module__], name, None)
    if not isinstance(found, type) or not issubclass(found, PreTrainedModel) or found.main_input_name != "input_ids":
        return None
    return found if found.config_class is type(config) else None


def build_untrained(config: PreTrainedConfig) -> PreTrainedModel:
    """Return the model that a configuration describes, without weights of a checkpoint."""
    own, kind = copy.deepcopy(config), find_class(config)
    built: PreTrainedModel = kind(own) if is_encoder_alone(kind) else kind.from_config(own, trust_remote_code=False)
    return built


def is_encoder_alone(kind: Any) -> bool:
    """Return whether `find_class` chose an encoder that was saved without the rest of its family's model."""
    return issubclass(kind, PreTrainedModel)


def _is_bidirectional(config: PreTrainedConfig) -> bool:
    # BERT-like models also have a causal language-model head, for use as a decoder.
    return getattr(config, "is_decoder", None) is False and type(config) in MODEL_FOR_MASKED_LM_MAPPING
