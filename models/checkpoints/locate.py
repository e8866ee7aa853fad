"""A name to a folder that is safe to read: bundled, local, or fetched from the hub."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from models.checkpoints import bundled
from models.checkpoints.folders import (
    models_within,
    refuse_foreign_weights,
    refuse_unsafe_file,
    refuse_unsafe_files,
    transformer_folder,
)
from models.checkpoints.headers import MOST_TENSORS
from models.errors import (
    BrokenModel,
    HeadlightError,
    ModelUnreachable,
    UnknownModel,
    UnsafeWeights,
)
from models.memory import admit
from models.scratch import trained

log = logging.getLogger("headlight.models")

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
REVISION = re.compile(r"(?!.*\.\.)\w[\w.-]{0,127}(/\w[\w.-]{0,127})*")
_WANTED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_UNWANTED_FILES = ["onnx/*", "openvino/*", "coreml/*", "*/*"]
# An index has one entry for each tensor and some notes; the largest published checkpoint has 163 files.
_MOST_INDEXED, _MOST_FILES = MOST_TENSORS + 1_000, 2_000
# So long the hub is waited for.
HUB_SECONDS = 10
_UNSAFE = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.pkl")


@dataclass(frozen=True)
class ModelFolder:
    """A model's folder on this machine, the name to show, and the state of it that provenance records."""

    folder: Path
    name: str
    revision: str


def locate(name: str | os.PathLike[str], revision: str | None = None) -> ModelFolder:
    """Return the folder of a model, fetching it from the hub if it is a hub id that is not cached.

    Its files are plain ones inside it: no other is ever read.

    Raises:
        UnsafeWeights: a file lies outside the model's folder, or is no plain file.
        BrokenModel: a file is far larger than any model's.
        UnknownModel: no such bundled name, folder or hub id.
        ModelUnreachable: no network and not cached.
    """
    name = os.fspath(name).strip()
    if name in bundled.NAMES:
        _refuse_revision(name, revision)
        return ModelFolder(bundled.minilm_folder(), bundled.PUBLISHED_AS[name], "")
    if name.startswith(trained.PREFIX):
        _refuse_revision(name, revision)
        return ModelFolder(trained.folder(name), name, "")
    unknown = (
        f"No model is called {name[:80]!r}: give a bundled name ({', '.join(bundled.NAMES)}, scratch:brackets and its "
        "siblings), a folder made by save_pretrained, or a hub id such as google-bert/bert-base-uncased."
    )
    if not name or "\0" in name or len(name) > 1000:
        raise UnknownModel(unknown)
    try:
        folder = Path(name).expanduser().resolve()
        if folder.is_dir():
            _refuse_revision(name, revision)
            called = folder.name or str(folder)
            refuse_unsafe_files(folder, called)
            inner = transformer_folder(folder)
            if inner != folder:
                refuse_unsafe_files(inner, called)
            return ModelFolder(inner, called, "")
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such home, no valid path
        log.info("%.80r is no folder: %s", name, error)
    if not HUB_ID.fullmatch(name) or ".." in name:
        raise UnknownModel(unknown)
    if revision is not None and not REVISION.fullmatch(revision):
        raise UnknownModel(f"{revision[:80]!r} is no revision: give a branch, a tag or a commit of {name}.")
    return _fetch(name, revision, unknown)


def _refuse_revision(name: str, revision: str | None) -> None:
    if revision is not None:
        raise UnknownModel(f"{name[:80]} has no revisions, only a hub id has: leave the revision out.")


def _fetch(name: str, revision: str | None, unknown: str) -> ModelFolder:
    try:
        answers = _admit_download(name, revision)
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=_WANTED_FILES,
            ignore_patterns=_UNWANTED_FILES,
            # The client itself would wait for ever for a hub that takes connections and never answers.
            local_files_only=not answers,
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
    place = ModelFolder(Path(folder), name, Path(folder).name)
    refuse_unsafe_files(place.folder, name, _inside(place))
    return place


def _inside(place: ModelFolder) -> Path:
    # A hub snapshot links into the blobs of its own repository, two folders up; any other folder must hold its files.
    return place.folder.parent.parent if place.revision else place.folder


def _admit_download(name: str, revision: str | None) -> bool:
    """Refuse a download whose weights would not fit in memory; return whether the hub answers."""
    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=HUB_SECONDS)
    except (GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception as error:  # no answer, no estimate: the cache may still have the model
        log.info("no size of %s from the hub: %r", name, error)
        return False
    files = info.siblings or []
    size = sum(
        file.size or 0 for file in files if "/" not in file.rfilename and file.rfilename.endswith(".safetensors")
    )
    admit(size, f"Loading {name}", "choose a smaller model or close other programs")
    return True


def weight_files(place: ModelFolder) -> list[Path]:
    """Return the safetensors files of a model that transformers would read.

    Raises:
        UnsafeWeights: there are none, or other formats are named.
        ForeignFormat: there are none, but another library's.
        BrokenModel: the index that names them cannot be read.
    """
    single = place.folder / "model.safetensors"
    names = [single.name] if single.exists() else sorted(set(weight_map(place).values()))
    if not names:
        refuse_foreign_weights(place.folder, place.name)
    if not names or not all(name.endswith(".safetensors") and "\0" not in name for name in names):
        unsafe = bool(names) or any(any(place.folder.glob(pattern)) for pattern in _UNSAFE)
        inner = models_within(place.folder)
        if inner and not unsafe:
            raise UnsafeWeights(
                f"{place.name} has no weights, but folders in it are models: give one of them ({inner})."
            )
        why = "its weights are not safetensors (other formats can run code)" if unsafe else "it has no safetensors file"
        raise UnsafeWeights(
            f"{place.name} is refused, {why}: load it once in a place you trust and call "
            "save_pretrained(folder, safe_serialization=True)."
        )
    return [place.folder / name for name in names]


def weight_map(place: ModelFolder) -> dict[str, str]:
    """Return which file holds which weight, as the index of a sharded checkpoint says; empty where there is none.

    Raises:
        BrokenModel: the index cannot be read.
    """
    index = place.folder / "model.safetensors.index.json"
    if not index.exists() or (place.folder / "model.safetensors").exists():
        return {}
    try:
        raw = index.read_bytes()
        n_values = raw.count(b",") + raw.count(b"{") + raw.count(b"[")  # before Python makes an object of each
        if n_values > _MOST_INDEXED:
            raise BrokenModel(
                f"The weight index of {place.name} has {n_values:,} entries, expected {_MOST_INDEXED:,} at most: "
                "save or fetch the model again."
            )
        named = json.loads(raw)["weight_map"]
        found = {str(weight): str(file) for weight, file in named.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise BrokenModel(
            f"The weight index of {place.name} cannot be read (expected a weight_map in {index.name}): "
            "save or fetch the model again."
        ) from error
    n_files = len(set(found.values()))
    if n_files > _MOST_FILES:
        raise BrokenModel(
            f"The weight index of {place.name} names {n_files:,} files, expected {_MOST_FILES:,} at most: "
            "save or fetch the model again."
        )
    return found


def revision_of(place: ModelFolder) -> str:
    """Return the state of a model's weights: the commit of the hub, else the start of a SHA-256 over all its files.

    That of a single file is the file's own; that of shards is the one of their listing by name, as
    `sha256sum *.safetensors | sha256sum` prints it in a folder that holds no others.

    Raises:
        BrokenModel: a file cannot be read.
    """
    if place.revision:
        return place.revision
    sums = {path.relative_to(place.folder).as_posix(): bundled.sha256(path) for path in weight_files(place)}
    listing = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    whole = next(iter(sums.values())) if len(sums) == 1 else hashlib.sha256(listing).hexdigest()
    return f"sha256:{whole[:12]}"


def refuse_unsafe_weights(place: ModelFolder) -> None:
    """Let a folder through whose weights are safetensors files that lie in it.

    Raises:
        UnsafeWeights: they are not, or the index names a file elsewhere.
    """
    for path in weight_files(place):
        refuse_unsafe_file(path, place.name, _inside(place).resolve())
