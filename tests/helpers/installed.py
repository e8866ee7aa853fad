"""Headlight as others install it: the wheel in an environment of its own, outside of the repository, without a network.

The environment sees the libraries of this one, so that nothing is downloaded; tests/install/clean.sh installs for real.
"""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

from tests.helpers.paths import ROOT

# Python runs it at its start. It cuts the network, and writes at the end what was imported and who was asked.
_SITECUSTOMIZE = """
import atexit, json, os, socket, sys

asked = []

def refuse(host):
    asked.append(str(host))
    raise OSError("the network is cut")

def cut(call):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            refuse(address[0])
        return call(self, address)
    return connect

def look_up(host, *rest, call=socket.getaddrinfo, **named):
    if host not in (None, "127.0.0.1", "::1", "localhost"):
        refuse(host)
    return call(host, *rest, **named)

def report():
    modules = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    path = os.path.join(os.environ["REPORTS"], str(os.getpid()))
    with open(path, "w") as file:
        json.dump({"modules": modules, "asked": asked, "command": sys.argv}, file)
    os.rename(path, f"{path}.json")

socket.socket.connect = cut(socket.socket.connect)
socket.socket.connect_ex = cut(socket.socket.connect_ex)
socket.getaddrinfo = look_up
atexit.register(report)
"""
# What is in the folder where a user works must not be taken for a module of ours.
_IN_THE_WAY = ("models.py", "viz.py", "analysis.py", "ui.py", "app.py")


def build(folder: Path, source: Path = ROOT) -> Path:
    """Build the wheel of a source into a folder, with the installed hatchling, and return it."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(source),
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


class Installed:
    """An environment into which a wheel was installed, and a folder in which its user works."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self._venv, self.work, self._reports = folder / "venv", folder / "work", folder / "reports"
        venv.create(self._venv, symlinks=True)
        self.bin = self._venv / "bin"
        (packages,) = self._venv.glob("lib/python*/site-packages")
        (packages / "present.pth").write_text(sysconfig.get_path("purelib"))
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "--no-deps", "--quiet"]
        subprocess.run([*pip, str(wheel)], check=True)
        self.package = packages / "headlight"
        site = folder / "site"
        for made in (self.work, self._reports, site):
            made.mkdir()
        (site / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        for name in _IN_THE_WAY:
            (self.work / name).write_text("raise SystemExit('the module of the user was imported')")
        self.environment = {**os.environ, "PYTHONPATH": str(site), "REPORTS": str(self._reports), "HF_HUB_OFFLINE": "1"}

    def run(self, *command: str) -> str:
        """Run a command of the environment, and return what it wrote to its standard output."""
        done = subprocess.run(
            [self.bin / command[0], *command[1:]],
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command of the environment, whose standard output is a pipe."""
        path = str(self.bin / command[0])
        return subprocess.Popen(
            [path, *command[1:]],
            cwd=self.work,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            # A shell starts what runs in the background with Ctrl+C ignored, and the command would inherit it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def reports(self) -> list[dict[str, Any]]:
        """Return what each process that has ended reported."""
        return [json.loads(path.read_text()) for path in self._reports.glob("*.json")]

    def misnamed(self) -> set[str]:
        """Return the names, other than `headlight.…`, of all modules of our package; scripts have names of Python."""
        found = {name: file for report in self.reports() for name, file in report["modules"].items()}
        ours = {name for name, file in found.items() if file and Path(file).is_relative_to(self.package)}
        # Python calls the script of a process `__main__`, and `__mp_main__` in what multiprocessing starts.
        return {name for name in ours if name.split(".")[0] not in ("headlight", "__main__", "__mp_main__")}
