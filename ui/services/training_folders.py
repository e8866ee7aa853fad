"""Where the trainings of one server are, and the folders that a killed server left.

Each server has one folder among the temporary ones, and each training a folder in it. The server holds a lock (flock)
on its folder, and every training's process inherits it. The system releases the lock when the last of them has ended,
however it ended: who can take it knows that the folder has no owner any more. A pid would not tell that, since the
system gives it to another process later. systemd-tmpfiles leaves locked folders alone too.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from models.disk import writing
from models.errors import CannotWrite

try:
    import fcntl
except ImportError:  # Windows: no lock, and nothing is deleted
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("headlight.ui")

PREFIX = "headlight-trainings-"
# The server's pid, for who reads the name, and what tempfile.mkdtemp adds.
_NAME = re.compile(re.escape(PREFIX) + r"\d+-[a-z0-9_]{8}")
# Former versions: a folder of each training, without a lock.
_FORMER = "headlight-training-"
# A process whose server was killed notices it when torch is imported, and takes a step: 10 s on a busy machine.
SWEEP_SECONDS = 60.0
PAUSE_SECONDS = 1.0


class ServerFolder:
    """The folder of this server, made when the first training needs it."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock: int | None = None

    def make(self, name: str) -> Path:
        """Return a new folder of a training, which no other user can open.

        Raises:
            CannotWrite: the disk does not take it.
        """
        try:
            temporary = Path(tempfile.gettempdir())
        except OSError as error:
            raise CannotWrite(
                "No folder for temporary files can be written on this server: free space on its disk, or start it "
                "with TMPDIR on another one."
            ) from error
        with writing(temporary):
            if not self._is_there():  # none yet, or somebody deleted it
                self.close()
                self._path, self._lock = _make_locked(temporary)
            assert self._path is not None
            path = self._path / name
            path.mkdir(mode=0o700)
            return path

    def _is_there(self) -> bool:
        if self._path is None or self._lock is None:
            return self._path is not None and self._path.is_dir()
        return _is_at(self._lock, self._path)

    @property
    def inherited(self) -> tuple[int, ...]:
        """Return the file descriptors that a process gets which works in this folder: the lock."""
        return () if self._lock is None else (self._lock,)

    def close(self) -> None:
        """Delete the folder and give the lock back."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
        self._path = self._lock = None


def _make_locked(temporary: Path) -> tuple[Path, int | None]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=temporary))
        if fcntl is None:
            return path, None
        # Another server that starts may have found the folder before it was locked, and deleted it.
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:  # a network disk without locks: nobody can take the lock there
                log.warning("the folder of the trainings, %s, cannot be locked: %s", path, error)
            if _is_at(lock, path):
                return path, lock
            os.close(lock)


def _is_at(folder: int, path: Path) -> bool:
    """Return whether an open folder still stands at its path."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(folder))
    except OSError:
        return False


# --- what others left -------------------------------------------------------------------------------------------------


def sweep() -> None:
    """Delete the folders of servers that have ended, now and, where a process of theirs is still ending, soon.

    Nothing is deleted but what has this user as its owner, mode 0700, a name of ours and no living owner.
    """
    folders = {Path(os.environ[name]) for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)}
    with suppress(OSError):
        folders.add(Path(tempfile.gettempdir()))  # TMPDIR is not among them while its disk is full
    held = [folder for folder in folders if delete_abandoned(folder)]
    for folder in folders:
        _tell_of_former(folder)
    if held:
        threading.Thread(target=_sweep_again, args=(held,), name="headlight-sweep", daemon=True).start()


def _sweep_again(folders: list[Path]) -> None:
    pause = threading.Event()
    for _ in range(int(SWEEP_SECONDS / PAUSE_SECONDS)):
        pause.wait(PAUSE_SECONDS)
        if not sum(delete_abandoned(folder) for folder in folders):
            return


def delete_abandoned(temporary: Path) -> int:
    """Delete the folders in a temporary folder whose server has ended; return how many still have an owner."""
    if fcntl is None:
        return 0
    return sum(not _delete_unowned(temporary / name) for name in _names(temporary) if _NAME.fullmatch(name))


def _names(temporary: Path) -> list[str]:
    try:
        return os.listdir(temporary)
    except OSError:  # the temporary folder itself is gone or cannot be read
        return []


def _tell_of_former(temporary: Path) -> None:
    """Log that there are folders of former versions; whether their server lives cannot be told, so they stay."""
    if former := sum(name.startswith(_FORMER) for name in _names(temporary)):
        log.info(
            "%s has %d folders %s* of a former version: delete them when no such server runs",
            *(temporary, former, _FORMER),
        )


def _delete_unowned(path: Path) -> bool:
    """Delete a folder if it is ours and unlocked; return False if its owner lives.

    The temporary folder is shared with other users: no link is followed, and all that is deleted is found through the
    folder that was opened and locked, whatever stands under its name meanwhile.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # a link, a file, another user's, or gone
        return True
    try:
        about = os.fstat(folder)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) != 0o700:
            return True
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks on this disk: whether the owner lives cannot be told
            return True
        with os.scandir(folder) as entries:
            for entry in list(entries):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.name, ignore_errors=True, dir_fd=folder)
                else:
                    with suppress(OSError):
                        os.unlink(entry.name, dir_fd=folder)
        with suppress(OSError):
            path.rmdir()
            log.info("deleted the trainings of a server that has ended: %s", path)
        return True
    finally:
        os.close(folder)
