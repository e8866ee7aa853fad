"""Files that a training writes: whole or not at all, with one sentence if the disk refuses them.

A file is written into a part folder inside its folder and then moved (`os.replace`), so that a process killed at any
moment leaves no half-written file under the file's name. Nothing is flushed (fsync): a kill loses nothing that was
written, a power failure may.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from models.errors import CannotWrite

log = logging.getLogger("headlight.models")

PART = ".part"
_ELSEWHERE = "train {} (a server's TMPDIR, a command's --out)"
_OTHER_DISK, _OTHER_FOLDER = _ELSEWHERE.format("on another disk"), _ELSEWHERE.format("in another folder")
_SENTENCES = {
    errno.ENOSPC: f"The disk at {{disk}} is full: free space on it and resume, or {_OTHER_DISK}.",
    errno.EDQUOT: (
        f"The disk at {{disk}} has no space left for this user (quota): free space on it and resume, or {_OTHER_DISK}."
    ),
    errno.EROFS: f"The disk at {{disk}} can only be read: make it writable and resume, or {_OTHER_DISK}.",
    errno.EACCES: (
        f"The folder {{folder}} does not let this user write: change its permissions and resume, or {_OTHER_FOLDER}."
    ),
}
_SENTENCES[errno.EPERM] = _SENTENCES[errno.EACCES]
_OTHER = f"The folder {{folder}} cannot be written ({{why}}): make it writable and resume, or {_OTHER_FOLDER}."
_DELETED = "The folder of this training, {folder}, was deleted: start the training again."


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn an error of the operating system while files are written into `folder` into one sentence.

    Raises:
        CannotWrite: the disk is full or read-only, the folder was deleted, and the like.
    """
    try:
        yield
    except CannotWrite:
        raise
    except Exception as error:
        number = error_number(error)
        if number is None:
            raise
        log.info("writing into %s: %r", folder, error)
        sentence = _DELETED if number == errno.ENOENT and not folder.exists() else _SENTENCES.get(number, _OTHER)
        raise CannotWrite(sentence.format(disk=_disk(folder), folder=folder, why=os.strerror(number))) from error


def error_number(error: BaseException | None) -> int | None:
    """Return the operating system's number of an error, None if it is not an error of the operating system.

    The errors of Rust code (safetensors, tokenizers) contain the number only in their text. A zip file that cannot be
    closed hides the first error behind another.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if (match := re.search(r"\(os error (\d+)\)", str(error))) is not None:
            return int(match[1])
        error = error.__cause__ or error.__context__
    return None


def _disk(folder: Path) -> Path:
    """Return where the disk of a folder is mounted."""
    path = folder.absolute()
    while not path.is_mount() and path != path.parent:
        path = path.parent
    return path


@contextmanager
def whole_files(folder: Path, last: Sequence[str] = ()) -> Iterator[Path]:
    """Give an empty folder to write files into; move them all into `folder` when they are written.

    The files named in `last` are moved after the others, in this order. Those of an earlier save are deleted before the
    others are moved: a folder that contains the last one contains all of them, and never files of two saves.

    Raises:
        CannotWrite: the disk refuses them. Then `folder` is unchanged, unless the move itself failed.
    """
    part = folder / PART
    with writing(folder):
        folder.mkdir(exist_ok=True)
        remove_parts(folder)
        part.mkdir()
        try:
            yield part
            for name in reversed(last):
                (folder / name).unlink(missing_ok=True)
            names = sorted(path.name for path in part.iterdir())
            for name in sorted(names, key=lambda name: last.index(name) if name in last else -1):
                os.replace(part / name, folder / name)
        finally:
            remove_parts(folder)


def remove_parts(folder: Path) -> None:
    """Delete the parts that a process left in a folder because it was killed while it wrote."""
    with suppress(OSError):
        (folder / PART).unlink()  # a file: earlier versions wrote frames into a file of this name
    shutil.rmtree(folder / PART, ignore_errors=True)
