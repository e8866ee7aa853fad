"""The wheel has everything and nothing else, and works outside of the repository, next to modules of the same names."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from headlight import __version__
from tests.helpers.installed import Installed, build
from tests.helpers.paths import ROOT
from viz.cli.main import main as export_command
from viz.files.provenance import VERSION

HEATMAP = ["heatmap", "--text", "The cat sat.", "--layer", "3", "--head", "1", "-o"]
# What a notebook does; the conversation is rendered, and a text is tried, in child processes of their own.
SESSION = """
import importlib.util, sys
from headlight import AttentionTrace, analysis, load_model, show, trace_module, viz
import headlight

assert not [name for name in ("models", "viz", "analysis", "ui") if name in sys.modules]
trace = load_model("minilm").trace("The cat sat.")
trace.save("cat.npz")
again = AttentionTrace.load("cat.npz")
assert (again["encoder"].weights(3, 1) == trace["encoder"].weights(3, 1)).all()
assert "The cat sat." in trace._repr_html_() and "<iframe" in trace._repr_html_()
viz.save(again["encoder"], "heatmap", "again.svg", layer=3, head=1)
assert analysis.shares(again["encoder"], 4, 5).first > 0
assert load_model("scratch:brackets").card.task == "brackets"
chat = load_model(sys.argv[1])
assert chat.trace(messages=[{"role": "user", "content": "Birds sing."}]).source.messages
assert type(chat).__module__ == "headlight.models.model"
"""


def test_the_version_is_told_once_everywhere():
    changelog, citation = (ROOT / "CHANGELOG.md").read_text(), (ROOT / "CITATION.cff").read_text()
    assert __version__ == VERSION
    assert f"\n## {__version__} " in changelog
    assert f"\nversion: {__version__}\n" in citation


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.mark.slow
def test_the_wheel_contains_the_files_of_the_repository_and_no_others(wheel):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    rooms = [name for name in listed if name.split("/")[0] in ("models", "analysis", "viz", "ui", "headlight")]
    expected = {f"headlight/{name.removeprefix('headlight/')}" for name in rooms} - {"headlight/build_wheel.py"}
    expected |= {"headlight/page/app.py", "headlight/page/.streamlit/config.toml"}
    licences = [name for name in listed if name == "LICENSE" or name.startswith("docs/licences/")]
    with zipfile.ZipFile(wheel) as archive:
        information = f"headlight-{__version__}.dist-info"
        names = {name for name in archive.namelist() if not name.startswith(information)}
        kept = {name for name in archive.namelist() if name.startswith(f"{information}/licenses/")}
        assert names == expected
        assert kept == {f"{information}/licenses/{name}" for name in licences}
        for name in names - {"headlight/page/app.py", "headlight/page/.streamlit/config.toml"}:
            source = ROOT / name.removeprefix("headlight/")
            source = source if source.exists() else ROOT / name
            assert name.endswith(".py") or archive.read(name) == source.read_bytes(), name


@pytest.mark.slow
def test_a_source_distribution_builds_the_same_wheel(wheel, tmp_path):
    build_sdist = "import sys, hatchling.build; hatchling.build.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build_sdist, str(tmp_path)], cwd=ROOT, check=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    again = build(tmp_path / "again", tmp_path / archive.name.removesuffix(".tar.gz"))
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert [(each.filename, each.CRC) for each in first.infolist()] == [
            (each.filename, each.CRC) for each in second.infolist()
        ]


@pytest.mark.slow
def test_an_editable_installation_is_refused_in_one_sentence(tmp_path):
    build_editable = "import sys, hatchling.build; hatchling.build.build_editable(sys.argv[1])"
    command = [sys.executable, "-c", build_editable, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Headlight cannot be installed with -e, since")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_commands_and_notebooks_work_outside_of_the_repository(wheel, tmp_path, folder_of_chat_model):
    installed = Installed(tmp_path, wheel)
    assert installed.run("headlight", "--version") == f"Headlight {__version__}\n"
    installed.run("headlight", "export", *HEATMAP, "installed.png")
    assert export_command([*HEATMAP, str(tmp_path / "checkout.png")]) == 0
    assert (installed.work / "installed.png").read_bytes() == (tmp_path / "checkout.png").read_bytes()
    installed.run("headlight", "train", "previous", "--steps", "2", "--out", "trained")
    assert (installed.work / "trained" / "model.safetensors").exists()
    # As the server starts a training for a visitor (ui/services/training_requests.py).
    recording = ["-P", "-m", "headlight.analysis.recording", "previous", "--steps", "2", "--out", "recorded"]
    installed.run("python", *recording)
    assert (installed.work / "recorded" / "recording.npz").exists()
    # Isolated, as a notebook is not: the folder of the user has modules of our names.
    installed.run("python", "-P", "-c", SESSION, str(folder_of_chat_model))
    assert installed.misnamed() == set()
    assert len(installed.reports()) >= 5
    assert [report["asked"] for report in installed.reports() if report["asked"]] == []
