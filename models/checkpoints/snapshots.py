"""Folders of the hub's own cache: `models--org--name/snapshots/COMMIT`, whose files are links to `blobs`."""

from __future__ import annotations

import re
from pathlib import Path

from models.checkpoints.names import HUB_ID, REVISION
from models.errors import UnknownModel

_PREFIX = "models--"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REF_BYTES = 100


def hub_id_of(folder: Path) -> str:
    """Return the hub id that a folder of the cache is named after, "" for any other folder."""
    found = folder.name.removeprefix(_PREFIX).replace("--", "/")
    return found if folder.name.startswith(_PREFIX) and HUB_ID.fullmatch(found) else ""


def snapshot_of(folder: Path, revision: str | None) -> tuple[Path, str] | None:
    """Return a snapshot in the hub's cache with its hub id, None for any other folder.

    `folder` is the snapshot, or the repository `models--org--name`: then `revision` is its branch, tag or commit,
    "main" if it is None.

    Raises:
        UnknownModel: the repository has no such revision, or the snapshot's own commit is another one.
    """
    if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name) and hub_id_of(folder.parent.parent):
        if revision not in (None, folder.name):
            raise UnknownModel(
                f"This folder is the commit {folder.name} of {hub_id_of(folder.parent.parent)}: leave the revision out."
            )
        return folder, hub_id_of(folder.parent.parent)
    hub_id, snapshots = hub_id_of(folder), folder / "snapshots"
    if not hub_id or not snapshots.is_dir():
        return None
    found = snapshots / _read_commit(folder, revision or "main")
    if found == snapshots or not found.is_dir():
        there = [path.name for path in sorted(snapshots.iterdir()) if _COMMIT.fullmatch(path.name)][:3]
        raise UnknownModel(
            f"The cache of {hub_id} has no revision {(revision or 'main')[:80]!r}: "
            + (f"give one of {', '.join(there)}." if there else "fetch the model again.")
        )
    return found, hub_id


def _read_commit(repository: Path, revision: str) -> str:
    """Return the commit that a branch, a tag or a commit stands for, "" if the cache does not say."""
    if _COMMIT.fullmatch(revision):
        return revision
    if not REVISION.fullmatch(revision):
        return ""
    try:
        path = repository / "refs" / revision
        if not path.resolve().is_relative_to(repository.resolve()) or not path.is_file():
            return ""
        with path.open("rb") as file:
            commit = file.read(_REF_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return commit if _COMMIT.fullmatch(commit) else ""
