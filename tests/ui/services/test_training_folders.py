"""The folders of a killed server are deleted at the next start; those of a running server, and others, never."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.forked import Forked
from ui.services import training_folders
from ui.services.training_folders import PREFIX, ServerFolder, delete_abandoned, sweep

SECONDS = 60
# A server, and a child process that inherits the lock, as the process of a training does.
SERVER = """
import subprocess, sys, tempfile, time
from ui.services.training_folders import ServerFolder
tempfile.tempdir = sys.argv[1]
folder = ServerFolder()
(folder.make("training") / "frame.npz").write_bytes(b"frame")
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=folder.inherited)
print(child.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(training_folders.tempfile, "tempdir", str(folder))
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def server(temporary):
    command = [sys.executable, "-c", SERVER, str(temporary)]
    process = Forked(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.child = int(process.stderr.readline())
    yield process
    process.kill()
    process.wait()
    process.stderr.close()
    process.stdin.close()


def until(condition) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_the_folder_of_a_killed_server_is_deleted_at_the_next_start(temporary, server):
    (left,) = temporary.iterdir()
    assert left.name.startswith(f"{PREFIX}{server.pid}-")
    sweep()
    assert (left / "training" / "frame.npz").exists(), "its server still runs"
    server.kill()
    server.wait()
    sweep()
    until(lambda: not left.exists())


@pytest.mark.slow
def test_a_process_that_is_still_ending_keeps_the_folder(temporary, server, monkeypatch):
    """Otherwise the process would create its folder again for its last checkpoint, and nobody would delete it."""
    (left,) = temporary.iterdir()
    os.kill(server.child, 19)  # SIGSTOP: it ends later
    server.kill()
    server.wait()
    assert delete_abandoned(temporary) == 1
    assert (left / "training" / "frame.npz").exists()
    monkeypatch.setattr(training_folders, "PAUSE_SECONDS", 0.05)
    sweep()
    os.kill(server.child, 9)
    until(lambda: not left.exists())


def test_a_server_never_deletes_its_own_folder(temporary):
    mine = ServerFolder()
    path = mine.make("training")
    for _ in range(3):
        assert delete_abandoned(temporary) == 1
    assert path.stat().st_mode & 0o777 == path.parent.stat().st_mode & 0o777 == 0o700
    mine.close()
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_servers_that_start_and_sweep_at_once_keep_their_folders(temporary):
    def start(number: int) -> tuple[ServerFolder, Path]:
        delete_abandoned(temporary)
        folder = ServerFolder()
        made = folder.make(str(number))
        delete_abandoned(temporary)
        return folder, made

    with ThreadPoolExecutor(16) as pool:
        started = list(pool.map(start, range(200)))
    assert all(made.is_dir() for _, made in started)
    assert len(list(temporary.iterdir())) == 200
    for folder, _ in started:
        folder.close()
    assert list(temporary.iterdir()) == []


def test_anything_that_may_not_be_ours_is_kept(temporary, tmp_path, monkeypatch, caplog):
    """Other names, other modes, links, files, folders of other users, and folders of earlier versions."""
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    (precious / "thesis.txt").write_text("")
    ours = f"{PREFIX}1-abcdefgh"
    (temporary / f"{PREFIX}2-abcdefgh").symlink_to(precious)
    (temporary / f"{PREFIX}3-abcdefgh").write_text("a file")
    (temporary / f"{PREFIX}4-abcdefgh").mkdir(mode=0o755)
    for name in (f"{PREFIX}notes", "headlight-training-abcdefgh", ours):
        (temporary / name).mkdir(mode=0o700)
    (temporary / ours / "link").symlink_to(precious)
    (temporary / ours / "training").mkdir()
    (temporary / ours / "training" / "link").symlink_to(precious)
    with caplog.at_level("INFO", "headlight.ui"):
        with monkeypatch.context() as patched:
            patched.setattr(os, "geteuid", lambda: os.getuid() + 1)
            assert delete_abandoned(temporary) == 0
        assert (temporary / ours).exists(), "another user's"
        sweep()
    assert sorted(path.name for path in temporary.iterdir()) == [
        "headlight-training-abcdefgh",
        *(f"{PREFIX}{number}-abcdefgh" for number in (2, 3, 4)),
        f"{PREFIX}notes",
    ]
    assert (precious / "thesis.txt").exists()
    assert "has 1 folders headlight-training-* of an earlier version" in caplog.text


def test_a_deleted_folder_is_created_again(temporary):
    folder = ServerFolder()
    first = folder.make("one").parent
    training_folders.shutil.rmtree(first)
    second = folder.make("two").parent
    assert second.is_dir()
    assert second != first
    assert delete_abandoned(temporary) == 1
    folder.close()


def test_tmpdir_is_swept_even_if_another_folder_is_used(temporary, tmp_path, monkeypatch):
    """Python uses /tmp while TMPDIR is full, and TMPDIR may be full of abandoned folders."""
    full = tmp_path / "full"
    (full / f"{PREFIX}1-abcdefgh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("TMPDIR", str(full))
    sweep()
    assert list(full.iterdir()) == []
