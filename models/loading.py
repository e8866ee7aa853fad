"""A name to a `Model`: find its folder, refuse what is unsafe, load it, and prove that what we capture is real."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from models import bundled
from models.capture import IMPLEMENTATION
from models.errors import (
    BrokenModel,
    HeadlightError,
    ModelUnreachable,
    NoAttention,
    NotEnoughMemory,
    NoTokenizer,
    RemoteCode,
    UnknownModel,
    UnsafeWeights,
)
from models.memory import admit
from models.model import (
    Card,
    Model,
    bytes_per_pair,
    check_ids,
    in_order,
    materialised_layers,
    model_inputs,
    no_attention,
    replayed_layers,
)
from models.tokens import TokenReader
from models.trace import Layer

log = logging.getLogger("headlight.models")

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
REVISION = re.compile(r"[\w.-]{1,128}(/[\w.-]{1,128})*")
_WANTED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_UNWANTED_FILES = ["onnx/*", "openvino/*", "coreml/*", "*/*"]
_UNSAFE = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.pkl")
# Families that mix tokens without attention weights; others are found out by running them.
_NO_ATTENTION = {"fnet", "mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm"}
PROBE = "The quick brown fox jumps over the lazy dog."
# Worst difference between replayed and eager weights that still counts as the same, by dtype. Measured over the
# families of tests/models/test_families.py: 4e-7 in float32; the half types round the scores that eager computes.
TOLERANCE = {torch.float32: 2e-6, torch.float64: 2e-6, torch.float16: 5e-3, torch.bfloat16: 4e-2}


@dataclass(frozen=True)
class Place:
    """A model's folder on this machine, the name to show, and the state of it that provenance records."""

    folder: Path
    name: str
    revision: str


def load_model(
    name: str, *, revision: str | None = None, device: str = "auto", dtype: str | torch.dtype = "float32"
) -> Model:
    """Load a model by bundled name ("minilm"), local `save_pretrained` folder, or Hugging Face hub id.

    `device` is "auto" (cuda, then mps, then cpu) or a torch device; `dtype` a torch dtype or its name. Loading ends
    with a proof: replayed weights are compared with the model's own eager ones on a short text, and a family for
    which they differ is captured from `output_attentions` instead (`model.card.proof` has the worst difference).

    Raises:
        HeadlightError: one of its kinds, each with a sentence that says what to do.
    """
    place = locate(name, revision)
    config = _read_config(place)
    _refuse_unsafe(place)
    torch_dtype, torch_device = _dtype(dtype), _device(device)
    _admit(place, torch_dtype)
    tokenizer = _load_tokenizer(place)
    module, notices = _load_module(place, config, torch_dtype)
    try:
        nn.Module.to(module, torch_device)
        module.eval().requires_grad_(False)
    except RuntimeError as error:
        log.exception("moving %s to %s", place.name, torch_device)
        raise NotEnoughMemory(f"{place.name} does not fit on {torch_device}: load it with device='cpu'.") from error
    return _proven(module, tokenizer, place, notices)


def locate(name: str, revision: str | None = None) -> Place:
    """Return the folder of a model, fetching it from the hub if it is a hub id that is not cached.

    Raises:
        UnknownModel: no such bundled name, folder or hub id.
        ModelUnreachable: no network and not cached.
    """
    name = name.strip()
    if name in bundled.NAMES:
        return Place(bundled.minilm_folder(), bundled.PUBLISHED_AS[name], "")
    unknown = (
        f"No model is called {name[:80]!r}: give a bundled name ({', '.join(bundled.NAMES)}), "
        "a folder made by save_pretrained, or a hub id such as google-bert/bert-base-uncased."
    )
    if not name or "\0" in name or len(name) > 1000:
        raise UnknownModel(unknown)
    try:
        folder = Path(name).expanduser().resolve()
        if folder.is_dir():
            return Place(folder, folder.name or str(folder), "")
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such home, no valid path
        log.info("%.80r is no folder: %s", name, error)
    if not HUB_ID.fullmatch(name) or ".." in name:
        raise UnknownModel(unknown)
    if revision is not None and (not REVISION.fullmatch(revision) or ".." in revision):
        raise UnknownModel(f"{revision[:80]!r} is no revision: give a branch, a tag or a commit of {name}.")
    return _fetch(name, revision, unknown)


def _fetch(name: str, revision: str | None, unknown: str) -> Place:
    try:
        _admit_download(name, revision)
        folder = snapshot_download(
            name, revision=revision, allow_patterns=_WANTED_FILES, ignore_patterns=_UNWANTED_FILES
        )
    except HeadlightError:
        raise
    except GatedRepoError as error:
        raise ModelUnreachable(
            f"{name} asks for an agreement first: accept it on its hub page, set HF_TOKEN, and load it again."
        ) from error
    except RevisionNotFoundError as error:
        raise UnknownModel(f"{name} has no revision {revision!r}: give a branch, a tag or a commit.") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UnknownModel(unknown) from error
    except Exception as error:  # the hub's client passes on many kinds: its own, its HTTP library's, the system's
        log.warning("fetching %s: %r", name, error)
        raise ModelUnreachable(
            f"{name} is not on this machine and the hub cannot be reached: check the network, "
            "or give the path of a folder made by save_pretrained."
        ) from error
    path = Path(folder)
    return Place(path, name, path.name)


def _admit_download(name: str, revision: str | None) -> None:
    """Refuse a download whose weights would not fit in memory, where the hub tells their size."""
    try:
        files = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=10).siblings or []
    except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception as error:  # no answer, no estimate: the cache may still have the model
        log.info("no size of %s from the hub: %r", name, error)
        return
    size = sum(
        file.size or 0 for file in files if "/" not in file.rfilename and file.rfilename.endswith(".safetensors")
    )
    admit(size, f"Loading {name}", "choose a smaller model or close other programs")


def _read_config(place: Place) -> PreTrainedConfig:
    path = place.folder / "config.json"
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        model_type = str(described.get("model_type"))
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UnknownModel(
            f"{place.name} has no readable config.json: give a folder made by save_pretrained."
        ) from error
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
    try:
        return AutoConfig.from_pretrained(place.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        log.exception("config of %s", place.name)
        raise BrokenModel(f"The config.json of {place.name} does not load ({_brief(error)}): save it again.") from error


def weight_files(place: Place) -> list[Path]:
    """Return the safetensors files of a model that transformers would read.

    Raises:
        UnsafeWeights: there are none, or one lies outside the model's folder.
    """
    index = place.folder / "model.safetensors.index.json"
    single = place.folder / "model.safetensors"
    if single.exists() or not index.exists():
        names = ["model.safetensors"] if single.exists() else []
    else:
        try:
            names = sorted({str(name) for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()})
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise BrokenModel(f"The weight index of {place.name} cannot be read: save the model again.") from error
    if not names or not all(name.endswith(".safetensors") and "\0" not in name for name in names):
        others = bool(names) or any(any(place.folder.glob(pattern)) for pattern in _UNSAFE)
        why = "its weights are not safetensors (other formats can run code)" if others else "it has no safetensors file"
        raise UnsafeWeights(
            f"{place.name} is refused, {why}: load it once in a place you trust and call "
            "save_pretrained(folder, safe_serialization=True)."
        )
    return [place.folder / name for name in names]


def _refuse_unsafe(place: Place) -> None:
    # A hub snapshot links into the blobs of its own repository, two folders up; any other folder must hold its files.
    inside = place.folder.parent.parent if place.revision else place.folder
    named = [path for pattern in _WANTED_FILES for path in place.folder.glob(pattern)]
    for path in [*weight_files(place), *named]:
        if not path.resolve().is_relative_to(inside.resolve()):
            raise UnsafeWeights(
                f"{path.name} of {place.name} points outside the model's folder: copy the file into the folder."
            )


def _admit(place: Place, dtype: torch.dtype) -> None:
    n_bytes = 0
    for path in weight_files(place):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                    n_bytes += torch.Size(file.get_slice(name).get_shape()).numel() * dtype.itemsize
        except FileNotFoundError as error:
            raise BrokenModel(f"{path.name} of {place.name} is missing: fetch the model again.") from error
        except (OSError, SafetensorError) as error:
            raise BrokenModel(
                f"{path.name} of {place.name} is no whole safetensors file ({_brief(error)}): fetch it again."
            ) from error
    admit(int(1.2 * n_bytes), f"Loading {place.name}", "choose a smaller model, a half dtype, or close other programs")


def _load_tokenizer(place: Place) -> PreTrainedTokenizerBase:
    refusal = (
        f"{place.name} has no tokenizer that loads: save the one it was trained with into the same folder "
        "(tokenizer.save_pretrained)."
    )
    try:
        tokenizer = AutoTokenizer.from_pretrained(place.folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        log.exception("tokenizer of %s", place.name)
        raise NoTokenizer(refusal) from error
    # transformers builds an empty tokenizer where a folder has no vocabulary at all.
    names = {"tokenizer.json", *tokenizer.vocab_files_names.values()}
    if not any((place.folder / name).exists() for name in names if isinstance(name, str)):
        raise NoTokenizer(refusal)
    return tokenizer


def _load_module(place: Place, config: PreTrainedConfig, dtype: torch.dtype) -> tuple[PreTrainedModel, tuple[str, ...]]:
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModel
    options: dict[str, Any] = {
        "config": config,
        "dtype": dtype,
        "use_safetensors": True,
        "local_files_only": True,
        "trust_remote_code": False,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # to name them, below
    }
    try:
        try:
            module, info = auto.from_pretrained(place.folder, attn_implementation=IMPLEMENTATION, **options)
            on_interface = _switches(module)
        except (ValueError, ImportError, KeyError) as error:
            log.info("%s is not on the attention interface: %s", place.name, error)
            on_interface = False
        if not on_interface:
            module, info = auto.from_pretrained(place.folder, attn_implementation="eager", **options)
    except Exception as error:
        log.exception("loading %s", place.name)
        raise BrokenModel(f"{place.name} does not load ({_brief(error)}): save or fetch it again.") from error
    for name, found, expected in sorted(info["mismatched_keys"]):
        raise BrokenModel(
            f"The config.json of {place.name} does not belong to its weights: {name} has the shape {tuple(found)}, "
            f"expected {tuple(expected)}; save or fetch both again."
        )
    return module, _loading_notices(module, info["missing_keys"], info["unexpected_keys"])


def _switches(module: PreTrainedModel) -> bool:
    """Return whether a model is on the attention interface: only then its implementation can be switched.

    Other families may take any name and then build the masks of that name for attention that expects eager's:
    Bloom would attend to what comes later.
    """
    module.set_attn_implementation("eager")
    switched = module.config._attn_implementation == "eager"
    if switched:
        module.set_attn_implementation(IMPLEMENTATION)
    return switched


def _loading_notices(module: nn.Module, missing: Iterable[str], unexpected: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for weights that the checkpoint lacks, and one for layers of it that are not in the model."""
    notices = []
    lacking = sorted(name for name in missing if "pooler" not in name and not name.endswith("position_ids"))
    if lacking:
        shown = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
        were = (
            "weight is not in the checkpoint and was"
            if len(lacking) == 1
            else "weights are not in the checkpoint and were"
        )
        notices.append(
            f"{len(lacking)} {were} initialised at random ({shown}): "
            "do not trust pictures of the layers that they belong to."
        )
    # A head on top (a classifier) may be left out; a layer of the same build as those that were loaded may not.
    builds = {re.sub(r"\d+", "#", name) for name in module.state_dict()}
    left_out = sorted(name for name in unexpected if re.sub(r"\d+", "#", name) in builds)
    if left_out:
        notices.append(
            f"The checkpoint has layers that config.json does not count ({left_out[0]}, …): "
            "the model shown is shorter than the one that was trained."
        )
    return tuple(notices)


def _proven(
    module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, place: Place, notices: tuple[str, ...]
) -> Model:
    """Choose the way of capture by a comparison on a short text, and describe the model."""
    max_tokens = _max_tokens(module, tokenizer)
    layers: dict[str, list[Layer]] = {}
    try:
        with torch.inference_mode():
            inputs = _probe(module, tokenizer, max_tokens, place.name)
            if module.config._attn_implementation == IMPLEMENTATION:
                layers = replayed_layers(module, inputs, through_weights=True)
                module.set_attn_implementation("eager")
            eager = materialised_layers(module, inputs)
    except (NoAttention, BrokenModel):
        raise
    except Exception as error:
        log.exception("running %s on a short text", place.name)
        if isinstance(error, TypeError) and "output_attentions" in str(error):
            raise NoAttention(no_attention(module)) from error
        raise BrokenModel(
            f"{place.name} does not run on a short text ({_brief(error)}): "
            "choose a model of text, saved together with its own tokenizer."
        ) from error
    if any(layer.shape[1] != layer.shape[2] for role, found in eager.items() if role != "cross" for layer in found):
        raise NoAttention(
            f"{type(module).__name__} gives its attention as windows around each token, not as one weight for each "
            "pair of tokens, which Headlight cannot draw: choose a transformer with full attention."
        )
    difference = _worst_difference(layers, eager)
    dtype = module.dtype
    if difference is not None and difference <= TOLERANCE.get(dtype, 2e-6):
        module.set_attn_implementation(IMPLEMENTATION)
        capture = "replayed"
    else:
        log.info("%s falls back to eager weights (difference %s)", place.name, difference)
        capture, difference = "materialised", 0.0
    kinds = tuple(
        "encoder" if role == "self" and not _causal(eager[role]) else "decoder" if role == "self" else role
        for role in ("self", "encoder", "decoder", "cross")
        if eager.get(role)
    )
    first = in_order(eager)[0]
    revision = place.revision or "sha256:" + bundled.sha256(weight_files(place)[0])[:12]
    card = Card(
        name=place.name,
        revision=revision,
        architecture=type(module).__name__,
        n_layers=len(first),
        n_heads=max(layer.shape[0] for layer in first),
        n_parameters=sum(parameter.numel() for parameter in module.parameters()),
        max_tokens=max_tokens,
        device=str(module.device),
        dtype=str(dtype).removeprefix("torch."),
        kinds=kinds,
        capture=capture,
        proof=difference,
        notices=notices,
    )
    pairs = bytes_per_pair(layers if capture == "replayed" else eager)
    return Model(module, tokenizer, card, bytes_per_pair=pairs)


def _probe(
    module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_tokens: int | None, name: str
) -> dict[str, torch.Tensor]:
    sequence = TokenReader(tokenizer, max_tokens).read(PROBE)
    check_ids(module, sequence.tokens, name)
    inputs = model_inputs(module, sequence.inputs)
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = inputs["input_ids"][:, :5]
    return inputs


def _worst_difference(replayed: dict[str, list[Layer]], eager: dict[str, list[Layer]]) -> float | None:
    """Return the largest difference of any weight, None where the two do not have the same layers."""
    shapes = [
        {role: [layer.shape for layer in found] for role, found in layers.items()} for layers in (replayed, eager)
    ]
    if shapes[0] != shapes[1]:
        return None
    everything = slice(None)
    return max(
        float((ours.rows(everything, everything) - theirs.rows(everything, everything)).abs().max())
        for role in eager
        for ours, theirs in zip(replayed[role], eager[role], strict=True)
    )


def _causal(layers: list[Layer]) -> bool:
    return all(layer.allowed(slice(None), slice(None)) is not None for layer in layers)


def _max_tokens(module: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return how many tokens the model can read, None where nothing limits it."""
    limits = [tokenizer.model_max_length] if tokenizer.model_max_length < 10**9 else []
    for name, part in module.named_modules():
        if isinstance(part, nn.Embedding) and re.search(r"(embed_positions|position_embeddings?|wpe)$", name):
            # RoBERTa counts positions from padding_idx + 1, BART's embedding says its own offset.
            offset = getattr(part, "offset", None)
            used = offset if offset is not None else (part.padding_idx + 1 if part.padding_idx is not None else 0)
            limits.append(part.num_embeddings - used)
    stated = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(stated, int) and stated > 0:
        limits.append(stated)
    return min(limits) if limits else None


def _device(device: str) -> torch.device:
    n_devices = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if n_devices[name]))
    try:
        wanted = torch.device(device)
    except (RuntimeError, ValueError):
        wanted = None
    if wanted is None or (wanted.index or 0) >= n_devices.get(wanted.type, 0):
        here = ", ".join(name for name, n_found in n_devices.items() if n_found)
        raise BrokenModel(f"There is no device {device[:40]!r} on this machine: give auto or one of {here}.")
    return wanted


def _dtype(dtype: str | torch.dtype) -> torch.dtype:
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or found not in TOLERANCE:
        names = ", ".join(str(known).removeprefix("torch.") for known in TOLERANCE)
        raise BrokenModel(f"There is no dtype {str(dtype)[:40]!r} for models: give one of {names}.")
    return found


def _brief(error: Exception) -> str:
    first = str(error).strip().splitlines()
    return (first[0] if first else type(error).__name__)[:160]
