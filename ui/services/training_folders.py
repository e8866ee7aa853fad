"""The folder of one server's trainings, and the removal of folders that killed servers left.

Each server has one folder in the temporary folder, and each training has a folder in it. The server locks its folder
(flock), and the process of every training inherits the lock. The operating system releases the lock when the last of
these processes has ended, even if it was killed: if a process can take the lock, the folder has no owner any more. A
pid does not prove that, because the system reuses pids. systemd-tmpfiles does not delete locked folders either.
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
# The pid of the server, for human readers, and the suffix of tempfile.mkdtemp.
_NAME = re.compile(re.escape(PREFIX) + r"\d+-[a-z0-9_]{8}")
# Earlier versions made one folder for each training, without a lock.
_OLD_PREFIX = "headlight-training-"
# A training whose server was killed ends only after it has imported torch and made a step: 10 s on a busy machine.
SWEEP_SECONDS = 60.0
PAUSE_SECONDS = 1.0


class ServerFolder:
    """The folder of this server, created for the first training."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock: int | None = None

    def make(self, name: str) -> Path:
        """Create the folder of a training, which no other user can open, and return it.

        Raises:
            CannotWrite: the disk is full or cannot be written.
        """
        try:
            temporary = Path(tempfile.gettempdir())
        except OSError as error:
            raise CannotWrite(
                "No folder for temporary files can be written on this server: free space on its disk, or start it "
                "with TMPDIR on another one."
            ) from error
        with writing(temporary):
            if not self._exists():  # not created yet, or somebody deleted it
                self.close()
                self._path, self._lock = _make_locked(temporary)
            assert self._path is not None
            path = self._path / name
            path.mkdir(mode=0o700)
            return path

    def _exists(self) -> bool:
        if self._path is None or self._lock is None:
            return self._path is not None and self._path.is_dir()
        return _is_at(self._lock, self._path)

    @property
    def inherited(self) -> tuple[int, ...]:
        """The file descriptors that the process of a training inherits: the lock."""
        return () if self._lock is None else (self._lock,)

    def close(self) -> None:
        """Delete the folder and release the lock."""
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
            except OSError as error:  # a network disk without locks: no server can take the lock there
                log.warning("the folder of the trainings, %s, cannot be locked: %s", path, error)
            if _is_at(lock, path):
                return path, lock
            os.close(lock)


def _is_at(folder: int, path: Path) -> bool:
    """Return whether a path still leads to an open folder."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(folder))
    except OSError:
        return False


# --- folders of other servers -----------------------------------------------------------------------------------------


def sweep() -> None:
    """Delete the folders of servers that have ended: now, or soon if one of their processes is still ending.

    A folder is deleted only if it belongs to this user, has mode 0700 and a name of ours, and no process locks it.
    """
    folders = {Path(os.environ[name]) for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)}
    with suppress(OSError):
        folders.add(Path(tempfile.gettempdir()))  # this is not TMPDIR while the disk of TMPDIR is full
    locked = [folder for folder in folders if delete_abandoned(folder)]
    for folder in folders:
        _log_old_folders(folder)
    if locked:
        threading.Thread(target=_sweep_again, args=(locked,), name="headlight-sweep", daemon=True).start()


def _sweep_again(folders: list[Path]) -> None:
    pause = threading.Event()
    for _ in range(int(SWEEP_SECONDS / PAUSE_SECONDS)):
        pause.wait(PAUSE_SECONDS)
        if not sum(delete_abandoned(folder) for folder in folders):
            return


def delete_abandoned(temporary: Path) -> int:
    """Delete the folders of ended servers in a temporary folder; return how many folders are still locked."""
    if fcntl is None:
        return 0
    return sum(not _delete_unlocked(temporary / name) for name in _list_names(temporary) if _NAME.fullmatch(name))


def _list_names(temporary: Path) -> list[str]:
    try:
        return os.listdir(temporary)
    except OSError:  # the temporary folder itself is missing or cannot be read
        return []


def _log_old_folders(temporary: Path) -> None:
    """Log the folders of earlier versions. They stay, since no lock says whether a server uses them."""
    if n_old := sum(name.startswith(_OLD_PREFIX) for name in _list_names(temporary)):
        log.info(
            "%s has %d folders %s* of an earlier version: delete them when no such server runs",
            *(temporary, n_old, _OLD_PREFIX),
        )


def _delete_unlocked(path: Path) -> bool:
    """Delete a folder if it is ours and unlocked; return False if a process locks it.

    Other users can write to the temporary folder. So this function follows no link, and deletes only what it reaches
    through the open and locked folder, even if its name leads somewhere else by now.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:  # a link, a file, another user's folder, or already deleted
        return True
    try:
        about = os.fstat(folder)
        if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) != 0o700:
            return True
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # this disk has no locks, so nobody knows whether the owner still runs
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
