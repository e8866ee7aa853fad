"""The safetensors files of a model's folder: which ones transformers reads, and the hash that provenance records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from models.checkpoints import bundled
from models.checkpoints.adapters import WEIGHTS
from models.checkpoints.folders import list_inner_models, refuse_foreign_weights, refuse_unsafe_file
from models.checkpoints.headers import MAX_TENSORS
from models.checkpoints.locate import ModelFolder
from models.errors import BrokenModel, UnsafeWeights

# An index has one entry for each tensor and some notes; the largest published checkpoint has 163 files.
_MAX_INDEX_ENTRIES, _MAX_FILES = MAX_TENSORS + 1_000, 2_000
_UNSAFE = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.pkl")


def weight_files(folder: ModelFolder) -> list[Path]:
    """Return the safetensors files of a model that transformers would read, or its GGUF file.

    Raises:
        UnsafeWeights: there are none, or other formats are named.
        ForeignFormat: there are none, but another library's.
        BrokenModel: the index that names them cannot be read.
    """
    if folder.gguf:
        return [folder.path / folder.gguf]
    single = folder.path / "model.safetensors"
    names = [single.name] if single.exists() else sorted(set(weight_map(folder).values()))
    if not names:
        refuse_foreign_weights(folder.path, folder.name)
    if not names or not all(name.endswith(".safetensors") and "\0" not in name for name in names):
        unsafe = bool(names) or any(any(folder.path.glob(pattern)) for pattern in _UNSAFE)
        inner = list_inner_models(folder.path)
        if inner and not unsafe:
            raise UnsafeWeights(
                f"{folder.name} has no weights, but folders in it are models: give one of them ({inner})."
            )
        why = "its weights are not safetensors (other formats can run code)" if unsafe else "it has no safetensors file"
        raise UnsafeWeights(
            f"{folder.name} is refused, {why}: load it once in a place you trust, with its class or as "
            "AutoModel.from_pretrained(folder, use_safetensors=False), and call save_pretrained(folder)."
        )
    return [folder.path / name for name in names]


def weight_map(folder: ModelFolder) -> dict[str, str]:
    """Return the file of each weight, from the index of a sharded checkpoint; empty if there is no index.

    Raises:
        BrokenModel: the index cannot be read.
    """
    index = folder.path / "model.safetensors.index.json"
    if not index.exists() or (folder.path / "model.safetensors").exists():
        return {}
    try:
        raw = index.read_bytes()
        n_values = raw.count(b",") + raw.count(b"{") + raw.count(b"[")  # before Python makes an object of each
        if n_values > _MAX_INDEX_ENTRIES:
            raise BrokenModel(
                f"The weight index of {folder.name} has {n_values:,} entries, expected {_MAX_INDEX_ENTRIES:,} at most: "
                "save or fetch the model again."
            )
        named = json.loads(raw)["weight_map"]
        found = {str(weight): str(file) for weight, file in named.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise BrokenModel(
            f"The weight index of {folder.name} cannot be read (expected a weight_map in {index.name}): "
            "save or fetch the model again."
        ) from error
    n_files = len(set(found.values()))
    if n_files > _MAX_FILES:
        raise BrokenModel(
            f"The weight index of {folder.name} names {n_files:,} files, expected {_MAX_FILES:,} at most: "
            "save or fetch the model again."
        )
    return found


def refuse_unsafe_weights(folder: ModelFolder) -> None:
    """Let a folder through whose weights are safetensors files inside it.

    Raises:
        UnsafeWeights: they are not, or the index names a file elsewhere.
    """
    for path in weight_files(folder) if not folder.gguf else ():  # `locate` checked that one
        refuse_unsafe_file(path, folder.name, folder.path.resolve(), folder.root.resolve())


def revision_of(folder: ModelFolder) -> str:
    """Return the state of a model's weights: the commit of the hub, else the start of a SHA-256 over all its files.

    The hash of a single file is the file's own. The hash of shards is that of their listing by name, as
    `sha256sum *.safetensors | sha256sum` prints it in a folder without other safetensors files. That of a merged
    adapter also covers the adapter's file.

    Raises:
        BrokenModel: a file cannot be read.
    """
    if folder.revision and folder.adapter is None:
        return folder.revision
    sums = {path.relative_to(folder.path).as_posix(): bundled.sha256(path) for path in weight_files(folder)}
    if folder.adapter is not None:
        sums["adapter"] = bundled.sha256(folder.adapter.path / WEIGHTS)
    listing = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    whole = next(iter(sums.values())) if len(sums) == 1 else hashlib.sha256(listing).hexdigest()
    return f"sha256:{whole[:12]}"
