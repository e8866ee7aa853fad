"""A name to a folder that is safe to read: bundled, local, or fetched from the hub."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from models.checkpoints import bundled, fetched
from models.checkpoints.access import ANYTHING, Access
from models.checkpoints.adapters import CONFIG as ADAPTER_CONFIG
from models.checkpoints.adapters import Adapter, read_adapter
from models.checkpoints.folders import gguf_in, is_gguf, refuse_unsafe_file, refuse_unsafe_files, transformer_folder
from models.checkpoints.hub import fetch
from models.checkpoints.names import HUB_ID, REVISION, clean_name, describe_missing, find_path, is_path
from models.checkpoints.sentences import prompt_notice
from models.checkpoints.snapshots import snapshot_of
from models.errors import ForeignFormat, ModelUnreachable, UnknownModel

log = logging.getLogger("headlight.models")

__all__ = ["HUB_ID", "REVISION", "ModelFolder", "locate"]


_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")


@dataclass(frozen=True)
class ModelFolder:
    """A model's folder on this machine, the name to show, and the hub's commit ("" for other folders).

    `adapter` is merged into the model that the folder contains. `gguf` is the name of the file with the whole model, ""
    for a folder that transformers saved. `notices` say what is special about the folder.
    """

    path: Path
    name: str
    revision: str
    adapter: Adapter | None = None
    gguf: str = ""
    notices: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder that contains every file of the model, also those that are links."""
        # A hub snapshot links to the blobs of the same repository.
        return self.path.parent.parent / "blobs" if self.revision else self.path

    @property
    def reads_with(self) -> Path:
        """The folder of the tokenizer and of the settings of reading: an adapter's own, if it has a tokenizer."""
        if self.adapter is not None and any((self.adapter.path / name).exists() for name in _TOKENIZERS):
            return self.adapter.path
        return self.path


def locate(name: Any, revision: Any = None, access: Access = ANYTHING) -> ModelFolder:
    """Return the folder of a model, fetching it from the hub if it is a hub id that is not cached.

    `name` is a text or a path, `revision` a text or None. The model's files are plain files inside the folder: no other
    file is ever read.

    Raises:
        UnsafeWeights: a file is outside the model's folder, or is not a plain file.
        BrokenModel: a file is far larger than any model's.
        UnknownModel: no such bundled name, folder or hub id.
        ModelUnreachable: no network and not cached.
    """
    name, revision = clean_name(name, revision)
    folder = _find(name, revision, access)
    if (folder.path / ADAPTER_CONFIG).exists():
        folder = _with_base(folder, access)
    return folder


def _find(name: str, revision: str | None, access: Access) -> ModelFolder:
    """Return the folder that a name leads to, which may contain an adapter."""
    if name in bundled.NAMES:
        _refuse_revision(name, revision)
        return ModelFolder(bundled.minilm_folder(), bundled.PUBLISHED_AS[name], "")
    if name in fetched.FETCHED:
        _refuse_revision(name, revision)
        model = fetched.FETCHED[name]
        return ModelFolder(fetched.fetched_folder(name), model.published_as, "", notices=model.notices)
    if name.startswith(bundled.SCRATCH_PREFIX):
        _refuse_revision(name, revision)
        return ModelFolder(bundled.scratch_folder(name), name, "")
    known = ", ".join((*bundled.NAMES, *fetched.FETCHED))
    unknown = (
        f"No model is called {name[:80]!r}: give a bundled name ({known}, scratch:brackets and its "
        "siblings), a folder made by save_pretrained, or a hub id such as google-bert/bert-base-uncased."
    )
    if not name or "\0" in name or len(name) > 1000:
        raise UnknownModel(unknown)
    local = _find_local(name, revision)
    if local is not None:
        return local
    if is_path(name):
        raise UnknownModel(describe_missing(name, shows_folders=access.shows_folders))
    if not HUB_ID.fullmatch(name) or ".." in name:
        raise UnknownModel(unknown)
    if revision is not None and not REVISION.fullmatch(revision):
        raise UnknownModel(f"{revision[:80]!r} is not a revision: give a branch, a tag or a commit of {name}.")
    try:
        path = fetch(name, revision, unknown)
    except (UnknownModel, ModelUnreachable) as error:
        raise type(error)(_suggest(name, access) or str(error)) from error
    folder = ModelFolder(path, name, path.name)
    refuse_unsafe_files(folder.path, name, folder.root)
    return replace(folder, notices=prompt_notice(path))


def _with_gguf(folder: ModelFolder) -> ModelFolder:
    """Return the folder with its only GGUF file, if it contains nothing that transformers saved.

    Raises:
        ForeignFormat: it contains several such files.
        UnsafeWeights: the file is a link out of the folder.
    """
    found = gguf_in(folder.path)
    if not found:
        return folder
    if len(found) > 1:
        names = ", ".join(path.name[:60] for path in found[:5])
        raise ForeignFormat(
            f"{folder.name} contains {len(found)} GGUF files: give the path of one of them "
            f"({names}{', …' if len(found) > 5 else ''})."
        )
    refuse_unsafe_file(found[0], folder.name, folder.path.resolve(), folder.root.resolve())
    return replace(folder, gguf=found[0].name)


def _with_base(found: ModelFolder, access: Access) -> ModelFolder:
    """Return the folder of the base that an adapter names, with the adapter.

    Raises:
        HeadlightError: the base cannot be opened, or is itself an adapter.
    """
    adapter = read_adapter(found.path, found.name)
    base, revision = clean_name(adapter.base, adapter.revision)
    beside = None if found.revision else _beside(found.path, base)
    if (
        found.revision
        and (is_path(base) or not HUB_ID.fullmatch(base))
        and base not in (*bundled.NAMES, *fetched.FETCHED)
    ):
        raise UnknownModel(
            f"The adapter {found.name} names its base by a path of another machine ({base[:80]!r}): copy the "
            f"adapter and write the base's hub id or folder into {ADAPTER_CONFIG} as base_model_name_or_path."
        )
    access.admit(str(beside) if beside else base)
    try:
        folder = _find(str(beside) if beside else base, None if beside else revision, access)
    except (UnknownModel, ModelUnreachable) as error:
        raise type(error)(f"The adapter {found.name} needs its base, which does not open. {error}") from error
    if (folder.path / ADAPTER_CONFIG).exists():
        raise ForeignFormat(
            f"The base of the adapter {found.name}, {folder.name}, is an adapter itself: merge that one first "
            "(merge_and_unload) and save it with save_pretrained."
        )
    at = f" at the commit {folder.revision[:12]}" if folder.revision else ""
    merged = f"The {adapter.kind} adapter {found.name} is merged into its base {folder.name}{at}."
    name = f"{found.name} on {folder.name}"
    return replace(folder, name=name, adapter=adapter, notices=(merged, *found.notices, *folder.notices))


def _beside(folder: Path, base: str) -> Path | None:
    """Return the base's folder if its path is written as seen from the adapter's folder."""
    try:
        path = (folder / base).resolve()
        return path if not Path(base).is_absolute() and path.is_dir() else None
    except (OSError, RuntimeError, ValueError):
        return None


def _suggest(name: str, access: Access) -> str:
    """Return what a name that neither this machine nor the hub has may have been meant for, "" if nothing is close."""
    known = (*bundled.NAMES, *fetched.FETCHED, *bundled.scratch_names())
    close = get_close_matches(name.lower(), known, n=3, cutoff=0.7)
    if close:
        return f"No model is called {name[:80]!r}, neither here nor on the hub: the closest bundled name is {close[0]}."
    first, slash, _ = name.partition("/")
    is_folder = access.shows_folders and bool(slash) and os.path.isdir(first)
    return describe_missing(name) if is_folder else ""


def _find_local(name: str, revision: str | None) -> ModelFolder | None:
    """Return the model in a local folder, None if the name is not the path of a folder."""
    try:
        path = find_path(name)
        if is_gguf(path) or (path.is_file() and name.lower().endswith(".gguf")):
            _refuse_revision(name, revision)
            refuse_unsafe_file(path, path.name, path.parent)
            return ModelFolder(path.parent, Path(name.replace("\\", "/")).name, "", gguf=path.name)
        if not path.is_dir():
            return None
        cached = snapshot_of(path, revision)
        if cached is not None:
            snapshot, hub_id = cached
            folder = ModelFolder(snapshot, hub_id, snapshot.name)
            refuse_unsafe_files(folder.path, hub_id, folder.root)
            return _with_gguf(replace(folder, notices=prompt_notice(folder.path)))
        _refuse_revision(name, revision)
        shown = path.name or str(path)
        refuse_unsafe_files(path, shown)
        inner = transformer_folder(path)
        if inner != path:
            refuse_unsafe_files(inner, shown)
        return _with_gguf(ModelFolder(inner, shown, "", notices=prompt_notice(path)))
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such home, not a valid path
        log.info("%.80r is not a folder: %s", name, error)
        return None


def _refuse_revision(name: str, revision: str | None) -> None:
    if revision is not None:
        raise UnknownModel(f"{name[:80]} has no revisions, only a hub id has: leave the revision out.")
