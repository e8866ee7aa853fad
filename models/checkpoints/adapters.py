"""Adapters of the library peft: which one a folder contains, and what of its settings is used."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoints.headers import Stored, read_header
from models.checkpoints.limits import read_settings
from models.checkpoints.names import HUB_ID
from models.errors import BrokenModel, ForeignFormat, UnsafeWeights, short_message

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# What peft can write into the base's own weights, with the beginning of the names of the trained weights.
MERGEABLE = {
    "LORA": "lora_",
    "ADALORA": "lora_",
    "IA3": "ia3_",
    "LOHA": "hada_",
    "LOKR": "lokr_",
    "OFT": "oft_",
    "HRA": "hra_",
    "MISS": "miss_",
    "HIRA": "hira_",
    "SHIRA": "shira_",
    "LN_TUNING": "ln_tuning_",
    "VERA": "vera_lambda_",
    "FOURIERFT": "fourierft_",
}
_PROMPTS = {"PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "ADAPTION_PROMPT", "CPT"}
# Settings that change nothing in a merged model: which modules were trained is read from the weights themselves.
_WITHOUT_EFFECT = {
    "auto_mapping",
    "base_model_name_or_path",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
}
# How the trained weights were initialised. The others also change the base, in ways that depend on the training data.
_STARTS = re.compile(r"gaussian|eva|orthogonal|olora|pissa(_niter_\d{1,2})?")
_UNMERGED = re.compile(
    r"\.(lora_(embedding_)?[AB]|lora_magnitude_vector|ia3_l|hada_w[12]|lokr_w[12]|oft_[rR])\b|\.base_layer\."
)
_MAX_NAMES, _MAX_PATTERN, _MAX_RANK, _MAX_NUMBER = 5_000, 200, 4_096, 2**31


@dataclass(frozen=True)
class Adapter:
    """An adapter: its folder and name, its type in peft, the base that it names, and the settings that are used.

    `keys` are the names of its weights with their shapes. `patterns` has the scale of single modules, by a pattern of
    their names.
    """

    path: Path
    name: str
    kind: str
    base: str
    revision: str | None
    task: str
    settings: dict[str, Any]
    patterns: dict[str, float]
    modules_to_save: tuple[str, ...]
    feedforward: tuple[str, ...]
    keys: dict[str, Stored]

    @property
    def base_name(self) -> str:
        """The base as a sentence names it: a hub id, or the name of its folder without the path to it."""
        return self.base[:80] if HUB_ID.fullmatch(self.base) else Path(self.base.replace("\\", "/")).name[:80]


def read_adapter(folder: Path, name: str) -> Adapter:
    """Return the adapter in a folder whose files were checked. Nothing that its settings name is imported.

    Raises:
        BrokenModel: its settings or its weights cannot be read.
        ForeignFormat: it cannot be merged into a base.
        UnsafeWeights: its weights are not safetensors.
    """
    described = _read_settings(folder, name)
    kind = str(described.get("peft_type") or "").upper()
    if kind in _PROMPTS:
        raise ForeignFormat(
            f"{name} is a {kind} adapter, which adds learned tokens or keys to every layer instead of changing the "
            "base's weights: it cannot be merged, choose its base model or a LoRA adapter."
        )
    if kind not in MERGEABLE:
        raise ForeignFormat(
            f"{name} is an adapter of the type {kind[:40]!r}, expected one of {', '.join(MERGEABLE)}: merge it into "
            "its base where it was trained (merge_and_unload) and save that with save_pretrained."
        )
    base = described.get("base_model_name_or_path")
    if not isinstance(base, str) or not base.strip():
        raise BrokenModel(
            f"{name} is an adapter that does not name its base: write the base's folder or hub id into {CONFIG} as "
            "base_model_name_or_path."
        )
    _refuse_other_weights(folder, name)
    revision = described.get("revision")
    return Adapter(
        folder,
        name,
        kind,
        base.strip(),
        revision if isinstance(revision, str) and revision else None,
        str(described.get("task_type") or ""),
        _use_settings(described, kind, name),
        _read_patterns(described, name),
        _names(described, "modules_to_save", name),
        _names(described, "feedforward_modules", name),
        read_header(folder / WEIGHTS, name),
    )


def refuse_unmerged(stored: Iterable[str], own: Collection[str], name: str) -> None:
    """Let a checkpoint through without the weights of an adapter beside those of its base.

    `stored` are the names in the checkpoint, `own` those of the model. transformers would leave the others out, and the
    model shown would be the one before the training.

    Raises:
        ForeignFormat: it has such weights.
    """
    found = sorted(weight for weight in stored if _UNMERGED.search(weight) and weight not in own)
    if found:
        raise ForeignFormat(
            f"{name} was saved with an adapter that is not merged ({len(found):,} weights such as {found[0][:120]}): "
            "call merge_and_unload() on the model of peft and save what it returns with save_pretrained, or give the "
            "adapter's own folder."
        )


def config_class(kind: str) -> Any:
    """Return peft's class of the settings of one type of adapter. Importing peft takes a second, so it waits."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from peft.utils import PeftType

    return PEFT_TYPE_TO_CONFIG_MAPPING[PeftType(kind)]


def _read_settings(folder: Path, name: str) -> dict[str, Any]:
    try:
        described = read_settings(folder / CONFIG)
        if not isinstance(described, dict):
            raise ValueError(f"expected an object of settings, came a {type(described).__name__}")
    except (OSError, ValueError) as error:
        raise BrokenModel(
            f"The {CONFIG} of {name} is not readable ({short_message(error)}): save or fetch the adapter again."
        ) from error
    return described


def _refuse_other_weights(folder: Path, name: str) -> None:
    if (folder / "model.safetensors").exists() or (folder / "model.safetensors.index.json").exists():
        raise ForeignFormat(
            f"{name} contains a whole model and an adapter ({CONFIG}), so it is not clear which one is meant: move one "
            "of them into a separate folder."
        )
    if not (folder / WEIGHTS).exists():
        unsafe = (folder / "adapter_model.bin").exists()
        why = "its weights are not safetensors (other formats can run code)" if unsafe else f"it has no {WEIGHTS}"
        raise UnsafeWeights(
            f"The adapter {name} is refused, {why}: load it once with peft in a place you trust and call "
            "save_pretrained(folder)."
        )


def _use_settings(described: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """Return the settings of a merge: numbers, switches and words that the adapter's class in peft knows.

    Raises:
        ForeignFormat: another setting is used, which would change what the model computes.
    """
    used: dict[str, Any] = {}
    fields = {field.name: field.default for field in dataclasses.fields(config_class(kind))}
    for key, value in described.items():
        if key in _WITHOUT_EFFECT or key in ("alpha_pattern", "feedforward_modules") or key not in fields:
            continue
        if _is_usual(key, value, kind) or value == fields[key]:
            used[key] = value
        elif value not in ({}, [], ""):
            raise ForeignFormat(
                f"{name} is an adapter with {key[:40]}{_shown(value)}, which Headlight does not merge: merge it into "
                "its base where it was trained (merge_and_unload) and save that with save_pretrained."
            )
    return used


def _is_usual(key: str, value: Any, kind: str) -> bool:
    """Return whether a setting is a switch, a number of a usual size, or a word with a known meaning."""
    if isinstance(value, str):
        return (key.startswith("init_") and _STARTS.fullmatch(value) is not None) or (
            key == "bias" and value in ("none", "all", f"{kind.lower()}_only")
        )
    # peft makes tables of r rows before it reads a weight.
    maximum = _MAX_RANK if key in ("r", "init_r", "target_r") else _MAX_NUMBER
    return value is None or (isinstance(value, (bool, int, float)) and -maximum <= value <= maximum)


def _shown(value: Any) -> str:
    return f" {value!r:.40}" if isinstance(value, (str, int, float)) else ""


def _read_patterns(described: dict[str, Any], name: str) -> dict[str, float]:
    """Return `alpha_pattern` if its patterns are matched in a moment.

    Raises:
        BrokenModel: they are not.
    """
    patterns = described.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or len(patterns) > _MAX_NAMES or not all(map(_is_quick, patterns.items())):
        raise BrokenModel(
            f"The {CONFIG} of {name} says alpha_pattern is not an object of module names and numbers: save or fetch "
            "the adapter again."
        )
    return {pattern: float(alpha) for pattern, alpha in patterns.items()}


def _is_quick(item: tuple[Any, Any]) -> bool:
    """Return whether a pattern has at most two repetitions and none of a group, and its alpha is a number."""
    pattern, alpha = item
    if type(alpha) not in (int, float) or len(pattern) > _MAX_PATTERN or re.search(r"\)\s*[*+{?]|\\\d", pattern):
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return len(re.findall(r"(?<!\\)[*+{]", pattern)) <= 2


def _names(described: dict[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = described.get(key) or []
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list) or len(value) > _MAX_NAMES or not all(isinstance(one, str) for one in value):
        raise BrokenModel(
            f"The {CONFIG} of {name} says {key} is not a list of module names: save or fetch the adapter again."
        )
    return tuple(value)
