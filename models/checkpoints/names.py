"""Names of models as people type and paste them: quoted, with `~`, as a link to a hub page, or mistyped."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from models.errors import UnknownModel

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
REVISION = re.compile(r"(?!.*\.\.)\w[\w.-]{0,127}(/\w[\w.-]{0,127})*")
_HUB_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}
_QUOTES = ("''", '""', "``", "“”", "‘’")
_WINDOWS = re.compile(r"([A-Za-z]):[\\/](.*)")
_MAX_LENGTH = 1000
# How many entries of a folder are compared with a mistyped name, and how many are named.
_MAX_COMPARED, _MAX_NAMED = 2_000, 5


def clean_name(name: Any, revision: Any = None) -> tuple[str, str | None]:
    """Return a name as `locate` reads it, and the revision, which the link of a hub page may contain.

    Spaces and quotes around a name and slashes at its end are left out. A `file:` address becomes its path and the
    address of a hub page the hub id.

    Raises:
        UnknownModel: it is no text and no path, or an address of something else.
    """
    if not isinstance(name, (str, os.PathLike)) or not isinstance(os.fspath(name), str):
        raise UnknownModel(
            f"The name of a model is a text or a path, and a {type(name).__name__} came: give a bundled name such as "
            "'minilm', a folder made by save_pretrained, or a hub id."
        )
    if revision is not None and not isinstance(revision, str):
        raise UnknownModel(
            f"The revision of a model is a text, and a {type(revision).__name__} came: give a branch, a tag or a "
            "commit of a hub id, or leave it out."
        )
    typed = os.fspath(name).strip()
    while len(typed) > 1 and typed[0] + typed[-1] in _QUOTES:
        typed = typed[1:-1].strip()
    if len(typed) > _MAX_LENGTH:
        return typed, revision
    if typed.lower().startswith("file:"):
        return _path_of_address(typed), revision
    address = f"https://{typed}" if typed.lower().startswith(("huggingface.co/", "hf.co/")) else typed
    if re.match(r"(https?|hf)://", address.lower()):
        return _hub_id_of_address(address, revision)
    return (typed.rstrip("/") or typed[:1]), revision


def _path_of_address(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    if parts.netloc not in ("", "localhost"):
        raise UnknownModel(f"{address[:80]!r} is a file of another machine: give the path of a folder on this one.")
    return unquote(parts.path).rstrip("/") or "/"


def _hub_id_of_address(address: str, revision: str | None) -> tuple[str, str | None]:
    """Return the hub id and the revision in the address of a hub page: `…/org/name/tree/v1`."""
    unlike = f"{address[:80]!r} is not the page of a model on huggingface.co: give its hub id, such as org/name."
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
    except ValueError as error:
        raise UnknownModel(unlike) from error
    path = [unquote(part) for part in parts.path.split("/") if part]
    if parts.scheme.lower() == "hf":
        path = [parts.netloc, *path]
    elif host not in _HUB_HOSTS:
        raise UnknownModel(unlike)
    if path[:1] == ["models"]:
        path = path[1:]
    hub_id = "/".join(path[: 1 if path[1:2] in (["tree"], ["blob"], ["resolve"]) else 2])
    if path[:1] in (["datasets"], ["spaces"], ["collections"], ["papers"]) or not HUB_ID.fullmatch(hub_id):
        raise UnknownModel(unlike)
    rest = path[hub_id.count("/") + 1 :]
    stated = rest[1] if len(rest) > 1 and rest[0] in ("tree", "blob", "resolve") else None
    if revision is None and stated != "main":
        revision = stated
    return hub_id, revision


def find_path(name: str) -> Path:
    """Return the path that a name stands for on this machine, whether or not there is anything.

    A path of Windows is looked for where its subsystem for Linux shows the drives, and with slashes.

    Raises:
        OSError: it is too long, or a link in a circle.
        RuntimeError: no user has the home that `~name` asks for.
        ValueError: it is no path.
    """
    path = Path(name).expanduser()
    if "\\" in name and os.sep == "/" and not os.path.lexists(path):
        drive = _WINDOWS.match(name)
        turned = f"/mnt/{drive[1].lower()}/{drive[2]}" if drive else name
        path = Path(turned.replace("\\", "/").rstrip("/")).expanduser()
    return path.resolve()


def is_path(name: str) -> bool:
    """Return whether a name can only be a path, not a hub id."""
    return name.startswith(("/", "~", ".")) or "\\" in name or name.count("/") > 1 or bool(_WINDOWS.match(name))


def describe_missing(name: str, *, shows_folders: bool = True) -> str:
    """Return why a name that is a path leads to no model, and what is there instead.

    Folders of this machine are named only if `shows_folders`.
    """
    start = f"No model is called {name[:80]!r}:"
    remedy = "give a folder made by save_pretrained, a .gguf file, a bundled name, or a hub id."
    if not shows_folders:
        return f"{start} {remedy}"
    try:
        path = find_path(name)
        if path.exists():
            return f"{start} that is a file, give the folder with its config.json, or a .gguf file."
        parent = path
        while not parent.is_dir() and parent != parent.parent:
            path, parent = parent, parent.parent
        entries = [entry.name for entry in islice(os.scandir(parent), _MAX_COMPARED) if _may_be_model(entry)]
    except (OSError, RuntimeError, ValueError):
        return f"{start} {remedy}"
    if _WINDOWS.match(name):
        return f"{start} that is a path of Windows, and Headlight runs on another system here; {remedy}"
    wanted = {entry.lower(): entry for entry in entries}
    found = [wanted[one] for one in get_close_matches(path.name.lower(), wanted, n=_MAX_NAMED, cutoff=0.6)]
    where = f"the folder {(parent.name or str(parent))[:60]!r}"
    shown = ", ".join(entry[:40] for entry in found or sorted(entries)[:_MAX_NAMED])
    there = f"{'the closest in it' if found else 'in it'}: {shown}" if shown else "it contains no folders"
    more = ", …" if not found and len(entries) > _MAX_NAMED else ""
    return f"{start} {where} exists, {path.name[:60]!r} is not in it ({there}{more}); {remedy}"


def _may_be_model(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and (entry.is_dir() or entry.name.lower().endswith(".gguf"))
