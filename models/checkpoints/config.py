"""A model's config.json: read, and refused if no model can be built from it, before anything large is read."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig
from transformers import __version__ as VERSION

from models.checkpoints.folders import refuse_other_contents
from models.checkpoints.gguf_files import read_gguf_config
from models.checkpoints.limits import MAX_LAYERS, parts, read_settings, refuse_absurd_products
from models.checkpoints.locate import ModelFolder
from models.checkpoints.merge import describe_head
from models.checkpoints.sounds import refuse_other_sounds
from models.errors import BrokenModel, ForeignFormat, NoAttention, RemoteCode, UnknownModel, short_message

log = logging.getLogger("headlight.models")

# Families that mix tokens without attention weights. Others are detected when they run.
_NO_ATTENTION = {"fnet", "mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"}
# Sizes that every model needs.
_NEEDED = re.compile(
    r"num_hidden_layers|num_layers|n_layers?|num_(attention_)?heads|n_heads?|(en|de)coder_attention_heads"
    r"|hidden_size|d_model|n_embd|vocab_size"
)
# The largest sizes by the ends of their names, far above any published model's. transformers makes Python objects for
# each layer and each label before it reads a single weight, and positions may become a table.
_LARGEST = (
    (re.compile(r"layers?|depths?|blocks|block_sizes|repeats|replace|attention_types"), MAX_LAYERS),
    (re.compile(r"heads?|experts"), 65_536),
    (re.compile(r"labels"), 1_000_000),
    (re.compile(r"positions|position_embeddings"), 2**27),
    (re.compile(r"size|dim|width|d_model|d_ff|d_kv|n_embd|n_inner"), 2**31),
)
# Headlight chooses what a model returns and its attention function, whatever was chosen when the model was saved.
_OUR_CHOICE = {"return_dict": True, "output_attentions": False, "_attn_implementation": "eager"}


def read_config(folder: ModelFolder) -> PreTrainedConfig:
    """Return a model's configuration.

    Raises:
        UnknownModel: no readable config.json, or a type that transformers does not know.
        ForeignFormat: a quantised or pruned model, or another library's format.
        RemoteCode: the architecture is Python code in the folder.
        NoAttention: an architecture without attention weights.
        BrokenModel: the configuration does not load, or a size in it is far from any model's.
    """
    if folder.gguf:
        config = read_gguf_config(folder)
        _refuse_without_attention(config.model_type, folder)
        return config
    refuse_other_contents(folder.path, folder.name)
    described = _described(folder)
    model_type = str(described.get("model_type"))
    if "auto_map" in described and model_type not in CONFIG_MAPPING:
        raise RemoteCode(
            f"{folder.name} needs Python code from its folder, which Headlight never runs: "
            "choose a model whose architecture is part of transformers."
        )
    _refuse_without_attention(model_type, folder)
    if model_type not in CONFIG_MAPPING:
        raise UnknownModel(
            f"{folder.name} has the type {model_type[:60]!r}, which this version of transformers ({VERSION}) does not "
            "know: choose another model or update transformers."
        )
    refuse_other_sounds(described, folder.name)
    _refuse_quantised(described, folder)
    _refuse_pruned(described, folder)
    _refuse_absurd_sizes(described, folder)
    refuse_absurd_products(described, folder.name)
    try:
        config = AutoConfig.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False, **_OUR_CHOICE)
        if folder.adapter is not None:
            describe_head(config, folder.adapter)
        return config
    except Exception as error:
        log.exception("config of %s", folder.name)
        raise BrokenModel(
            f"The config.json of {folder.name} does not load ({short_message(error)}): save it again."
        ) from error


def _refuse_without_attention(model_type: str, folder: ModelFolder) -> None:
    if model_type in _NO_ATTENTION:
        raise NoAttention(
            f"{folder.name} is a {model_type} model, which computes no attention weights (it mixes tokens another "
            "way), so there is nothing to show: choose a transformer with softmax attention."
        )


def _described(folder: ModelFolder) -> dict[str, Any]:
    path = folder.path / "config.json"
    try:
        described = read_settings(path)
    except FileNotFoundError as error:
        raise UnknownModel(f"{folder.name} has no config.json: give a folder made by save_pretrained.") from error
    except (OSError, ValueError) as error:
        raise UnknownModel(
            f"{folder.name} has no readable config.json ({short_message(error)}): save or fetch the model again."
        ) from error
    if not isinstance(described, dict):
        raise UnknownModel(
            f"{folder.name} has no readable config.json (expected an object of settings, "
            f"came a {type(described).__name__}): save or fetch the model again."
        )
    return described


def _refuse_quantised(described: dict[str, Any], folder: ModelFolder) -> None:
    for name, value in settings(described):
        if name in ("quantization_config", "compression_config") and value:
            method = value.get("quant_method") if isinstance(value, dict) else None
            method_name = str(method or "bitsandbytes")[:40]
            if folder.adapter is not None:
                raise ForeignFormat(
                    f"The base of the adapter {folder.adapter.name}, {folder.adapter.base_name}, is quantised "
                    f"({method_name}): write the model that it was made from into adapter_config.json as "
                    "base_model_name_or_path."
                )
            raise ForeignFormat(
                f"{folder.name} is quantised ({method_name}), and Headlight needs exact weights (float32, float16 or "
                "bfloat16): choose the model that it was made from."
            )


def _refuse_pruned(described: dict[str, Any], folder: ModelFolder) -> None:
    for name, value in settings(described):
        if name == "pruned_heads" and value:
            layers = sorted(value, key=lambda layer: (len(layer), layer))[:4] if isinstance(value, dict) else []
            where = f" in layer {', '.join(layer[:8] for layer in layers)}" if layers else ""
            raise ForeignFormat(
                f"{folder.name} has pruned heads{where} (pruned_heads in config.json), which transformers {VERSION} "
                "cannot load: choose the model that it was pruned from."
            )


def _refuse_absurd_sizes(described: dict[str, Any], folder: ModelFolder) -> None:
    for name, value in settings(described):
        largest = next((maximum for pattern, maximum in _LARGEST if re.search(f"({pattern.pattern})$", name)), None)
        # Optional sizes are -1 or 0 in models that do not use them.
        needed = _NEEDED.fullmatch(name) is not None
        for size in _flat(value):
            if type(size) is int and largest is not None and (size > largest or (needed and size < 1)):
                raise BrokenModel(
                    f"The config.json of {folder.name} says {name} is {size:,}, expected {1 if needed else 0} to "
                    f"{largest:,}: save or fetch the model again."
                )


def settings(described: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and values, also those of nested configurations (a text model's inside another)."""
    for part in parts(described):
        yield from part.items()


def _flat(value: Any) -> Iterator[Any]:
    """Yield the values of a list and of the lists in it."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting.extend(reversed(one))
        else:
            yield one
