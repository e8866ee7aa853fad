"""A model's config.json: read, and refused where no model can be built of it, before anything large is."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig

from models.checkpoints.folders import refuse_what_is_no_model
from models.checkpoints.limits import MOST_LAYERS, parts, read_settings, refuse_absurd_products
from models.checkpoints.locate import ModelFolder
from models.errors import BrokenModel, ForeignFormat, NoAttention, RemoteCode, UnknownModel, short_message

log = logging.getLogger("headlight.models")

# Families that mix tokens without attention weights; others are found out by running them.
_NO_ATTENTION = {"fnet", "mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"}
# Sizes that no model can do without.
_NEEDED = re.compile(
    r"num_hidden_layers|num_layers|n_layers?|num_(attention_)?heads|n_heads?|(en|de)coder_attention_heads"
    r"|hidden_size|d_model|n_embd|vocab_size"
)
# The largest sizes by the ends of their names, far above any published model's: Python objects are made for each
# layer and each label before a single weight is read, and positions may become a table.
_LARGEST = (
    (re.compile(r"layers?|depths?|blocks|block_sizes|repeats|replace|attention_types"), MOST_LAYERS),
    (re.compile(r"heads?|experts"), 65_536),
    (re.compile(r"labels"), 1_000_000),
    (re.compile(r"positions|position_embeddings"), 2**27),
    (re.compile(r"size|dim|width|d_model|d_ff|d_kv|n_embd|n_inner"), 2**31),
)
# What a model gives back, and by which attention, is chosen here, whatever was chosen when it was saved.
_OUR_CHOICE = {"return_dict": True, "output_attentions": False, "_attn_implementation": "eager"}


def read_config(place: ModelFolder) -> PreTrainedConfig:
    """Return a model's configuration.

    Raises:
        UnknownModel: no readable config.json, or a type that transformers does not know.
        ForeignFormat: an adapter, a quantised model, or another library's format.
        RemoteCode: the architecture is Python code in the folder.
        NoAttention: an architecture without attention weights.
        BrokenModel: the configuration does not load, or a size in it is no model's.
    """
    refuse_what_is_no_model(place.folder, place.name)
    described = _described(place)
    model_type = str(described.get("model_type"))
    if "auto_map" in described and model_type not in CONFIG_MAPPING:
        raise RemoteCode(
            f"{place.name} brings Python code of its own, which Headlight never runs: "
            "choose a model whose architecture is part of transformers."
        )
    if model_type in _NO_ATTENTION:
        raise NoAttention(
            f"{place.name} is a {model_type} model, which computes no attention weights (it mixes tokens another way), "
            "so there is nothing to show: choose a transformer with softmax attention."
        )
    if model_type not in CONFIG_MAPPING:
        raise UnknownModel(
            f"{place.name} is of the type {model_type[:60]!r}, which this version of transformers does not know: "
            "choose another model or update transformers."
        )
    _refuse_quantised(described, place)
    _refuse_absurd_sizes(described, place)
    refuse_absurd_products(described, place.name)
    try:
        return AutoConfig.from_pretrained(place.folder, local_files_only=True, trust_remote_code=False, **_OUR_CHOICE)
    except Exception as error:
        log.exception("config of %s", place.name)
        raise BrokenModel(
            f"The config.json of {place.name} does not load ({short_message(error)}): save it again."
        ) from error


def _described(place: ModelFolder) -> dict[str, Any]:
    path = place.folder / "config.json"
    try:
        described = read_settings(path)
    except FileNotFoundError as error:
        raise UnknownModel(f"{place.name} has no config.json: give a folder made by save_pretrained.") from error
    except (OSError, ValueError) as error:
        raise UnknownModel(
            f"{place.name} has no readable config.json ({short_message(error)}): save or fetch the model again."
        ) from error
    if not isinstance(described, dict):
        raise UnknownModel(
            f"{place.name} has no readable config.json (expected an object of settings, "
            f"came a {type(described).__name__}): save or fetch the model again."
        )
    return described


def _refuse_quantised(described: dict[str, Any], place: ModelFolder) -> None:
    for name, value in settings(described):
        if name in ("quantization_config", "compression_config") and value:
            method = value.get("quant_method") if isinstance(value, dict) else None
            called = str(method or "bitsandbytes")[:40]
            raise ForeignFormat(
                f"{place.name} is quantised ({called}), and its exact weights cannot be read here, which are expected "
                "as float32, float16 or bfloat16: choose the model that it was made from."
            )


def _refuse_absurd_sizes(described: dict[str, Any], place: ModelFolder) -> None:
    for name, value in settings(described):
        largest = next((most for pattern, most in _LARGEST if re.search(f"({pattern.pattern})$", name)), None)
        # Sizes that a model can do without are -1 or 0 where it does.
        needed = _NEEDED.fullmatch(name) is not None
        for size in _flat(value):
            if type(size) is int and largest is not None and (size > largest or (needed and size < 1)):
                raise BrokenModel(
                    f"The config.json of {place.name} says {name} is {size:,}, expected {1 if needed else 0} to "
                    f"{largest:,}: save or fetch the model again."
                )


def settings(described: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values, those of nested configurations (a text model's within another) too."""
    for part in parts(described):
        yield from part.items()


def _flat(value: Any) -> Iterator[Any]:
    """Yield what a list holds, and the lists in it."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        else:
            yield one
