"""`make run` and `make models`: what is missing is fetched, and the app starts without what cannot be fetched."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

# Stands for Python: `models.fetch` prints the folders that it has, and fails without a network.
PYTHON = """#!/bin/sh
echo asked >> "$ASKED"
test -n "$ONLINE" || exit 2
mkdir -p "$HEADLIGHT_HOME/model" && echo "$HEADLIGHT_HOME/model"
"""


@pytest.fixture
def make(tmp_path):
    """Run make with an environment whose programs are stand-ins; return its exit code, its lines, and the questions."""
    binaries = tmp_path / "venv" / "bin"
    binaries.mkdir(parents=True)
    for name, program in (("python", PYTHON), ("streamlit", "#!/bin/sh\necho started\n")):
        (binaries / name).write_text(program)
        (binaries / name).chmod(0o755)
    (tmp_path / "venv" / ".run-stamp").touch()

    def run(target: str, home: Path, online: str = "") -> tuple[int, list[str], int]:
        asked = tmp_path / "asked"
        asked.write_text("")
        env = {**os.environ, "HEADLIGHT_HOME": str(home), "ASKED": str(asked), "ONLINE": online}
        command = ["make", "--silent", target, f"VENV={tmp_path / 'venv'}"]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines(), asked.read_text().count("asked")

    return run


def test_the_app_starts_without_models_that_cannot_be_fetched(make, tmp_path):
    code, said, asked = make("run", tmp_path / "home")
    assert (code, asked) == (0, 1)
    assert said == ["The app starts without the models that were not fetched.", "started"]
    assert make("models", tmp_path / "home")[0] == 2  # tests need them


def test_models_are_fetched_again_only_if_they_are_missing(make, tmp_path):
    home = tmp_path / "home"
    assert make("run", home, "yes") == (0, ["started"], 1)
    assert make("run", home) == (0, ["started"], 0)
    assert make("run", tmp_path / "elsewhere", "yes") == (0, ["started"], 1)
    assert make("run", tmp_path / "elsewhere") == (0, ["started"], 0)
    (tmp_path / "elsewhere" / "model").rmdir()
    assert make("run", tmp_path / "elsewhere", "yes") == (0, ["started"], 1)
