"""Names of models: bundled names, paths, links, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models import errors, load_model
from models.checkpoints.access import Access
from models.checkpoints.bundled import minilm_folder
from models.checkpoints.fetched import FETCHED
from models.checkpoints.locate import locate
from models.checkpoints.names import clean_name
from tests.helpers.corrupt import refused

pytestmark = pytest.mark.slow

BUNDLED = f"give a bundled name (minilm, {', '.join(FETCHED)}, scratch:brackets and its siblings), "
REMEDY = f"{BUNDLED}a folder made by save_pretrained, or a hub "
PATHS = "give a folder made by save_pretrained, a .gguf file, a bundled name, or a hub id."


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 5000, "a b", "\ud800"])
def test_unknown_names(name):
    refused(errors.UnknownModel, f"No model is called {name.strip()[:80]!r}: {REMEDY}", name)


@pytest.mark.parametrize("name", ["/etc/passwd", "a/b/c", "~nobody-at-all/x", "../../nowhere", "a\\b"])
def test_unknown_paths(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(errors.UnknownModel, f"No model is called {name!r}: ", name)
    with pytest.raises(errors.UnknownModel) as caught:
        load_model(name)
    assert str(caught.value).endswith((PATHS, "or a .gguf file."))


@pytest.mark.parametrize("name", [None, 3, b"minilm", ["minilm"], {"a": 1}, 1.5, object()])
def test_what_is_no_name(name):
    with pytest.raises(errors.UnknownModel, match=r"^The name of a model is a text or a path, and a \w+ came: give a "):
        locate(name)


@pytest.mark.parametrize("revision", [3, b"main", ["main"]])
def test_what_is_no_revision(revision):
    with pytest.raises(errors.UnknownModel, match=r"^The revision of a model is a text, and a \w+ came: give a branch"):
        locate("org/name", revision)


def test_the_folder_here_is_no_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(errors.UnknownModel, f"{tmp_path.name} has no config.json: give a folder made by save_", ".")


def test_a_path_is_a_name(folder):
    assert load_model(folder).card.name == "spoilt"


@pytest.mark.parametrize("shape", ["{}/", " {} ", "'{}'", '"{}"', "file://{}", "file://localhost{}/", "“{}”", "{}//"])
def test_a_path_as_people_paste_it(shape, folder):
    assert locate(shape.format(folder)).path == folder


def test_a_path_from_here_and_from_home(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    for name in ("spoilt", "./spoilt/", "~/spoilt", "../inside/spoilt", "..\\inside\\spoilt"):
        assert locate(name).path == folder
    assert locate("file://" + str(folder).replace("s", "%73")).path == folder


@pytest.mark.parametrize(
    ("address", "hub_id", "revision"),
    [
        ("https://huggingface.co/org/name", "org/name", None),
        ("https://huggingface.co/org/name/", "org/name", None),
        ("http://www.huggingface.co/org/name?library=transformers#top", "org/name", None),
        ("https://huggingface.co/org/name/tree/main", "org/name", None),
        ("https://huggingface.co/org/name/tree/v1.0", "org/name", "v1.0"),
        ("https://huggingface.co/org/name/blob/v2/config.json", "org/name", "v2"),
        ("https://huggingface.co/gpt2", "gpt2", None),
        ("https://huggingface.co/gpt2/tree/v2", "gpt2", "v2"),
        ("huggingface.co/org/name", "org/name", None),
        ("hf.co/org/name", "org/name", None),
        ("hf://org/name", "org/name", None),
    ],
)
def test_the_address_of_a_hub_page(address, hub_id, revision):
    assert clean_name(address) == (hub_id, revision)
    assert clean_name(address, "given") == (hub_id, "given")


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/org/name",
        "https://huggingface.co/datasets/org/name",
        "https://huggingface.co/spaces/org/name",
        "https://huggingface.co/",
        "https://huggingface.co.example.com/org/name",
        "https://huggingface.co@example.com/org/name",
        "http://[/x",
        "hf://..",
    ],
)
def test_an_address_of_something_else(address):
    refused(errors.UnknownModel, f"{address!r} is not the page of a model on huggingface.co: give its hub id", address)


def test_a_file_of_another_machine():
    refused(errors.UnknownModel, "'file://server/x' is a file of another machine: give the path", "file://server/x")


def test_a_mistyped_path_says_what_is_there(folder):
    (folder.parent / "spoilt-2").mkdir()
    (folder.parent / ".hidden").mkdir()
    (folder.parent / "spoils.txt").write_text("")
    refused_for(
        f"{folder.parent}/spoild", "the folder 'inside' exists, 'spoild' is not in it (the closest in it: spoilt, "
    )
    refused_for(f"{folder.parent}/other", "the folder 'inside' exists, 'other' is not in it (in it: spoilt, spoilt-2);")
    refused_for(f"{folder.parent}/Spoilt", "'Spoilt' is not in it (the closest in it: spoilt")
    # The first part that is wrong counts.
    refused_for(f"{folder.parent.parent}/insde/spoilt", "'insde' is not in it (the closest in it: inside)")
    refused_for(f"{folder}/nothing", "'nothing' is not in it (it contains no folders)")
    refused_for(f"{folder}/config.json", "that is a file, give the folder with its config.json, or a .gguf file.")
    refused_for("C:\\models\\bert", "that is a path of Windows, and Headlight runs on another system here;")


def refused_for(name: str, reason: str) -> None:
    with pytest.raises(errors.UnknownModel) as caught:
        load_model(name)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_does_not_say_which_folders_it_has(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for name in (f"{folder.parent}/spoild", "./spoild", "spoilt/other", f"{folder}/config.json", "C:\\x"):
        with pytest.raises(errors.HeadlightError) as caught:
            locate(name, access=Access(shows_folders=False))
        assert "exists" not in str(caught.value)
        assert "that is" not in str(caught.value)


def test_a_mistyped_name_beside_a_folder_or_a_bundled_name(folder, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    for name, closest in [("minlm", "minilm"), ("MiniLM", "minilm"), ("scratch-brackets", "scratch:brackets")]:
        with pytest.raises(errors.HeadlightError, match=f"the closest bundled name is {closest}"):
            locate(name)
    with pytest.raises(errors.HeadlightError, match=r"'spoild' is not in it \(the closest in it: spoilt\)"):
        locate("inside/spoild")


def test_a_folder_above_is_no_model():
    refused(errors.UnknownModel, "/ has no config.json: give a folder made by save_pretrained.", "/")


def test_a_revision_where_there_is_none_is_said(tmp_path):
    """Silently opening another state than the one that was asked for would make every picture's origin wrong."""
    for name in ("minilm", str(tmp_path)):
        with pytest.raises(errors.UnknownModel, match="has no revisions, only a hub id has: leave the revision out"):
            load_model(name, revision="main")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(folder_of, tmp_path) -> Path:
    """Make the cache of the hub's client with one model, and return the folder of its repository."""
    repository = tmp_path / "hub" / "models--someone--small"
    snapshot = repository / "snapshots" / COMMIT
    for made in (snapshot, repository / "blobs", repository / "refs"):
        made.mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for number, path in enumerate(sorted(folder_of("bert").iterdir())):
        shutil.copy(path, repository / "blobs" / f"{number:040x}")
        (snapshot / path.name).symlink_to(f"../../blobs/{number:040x}")
    return repository


@pytest.mark.parametrize("given", ["snapshot", "repository", "branch", "commit"])
def test_a_snapshot_of_the_hub_cache(given, cache):
    snapshot = cache / "snapshots" / COMMIT
    revision = {"branch": "main", "commit": COMMIT}.get(given)
    card = load_model(snapshot if given == "snapshot" else cache, revision=revision).card
    assert (card.name, card.revision, card.notices) == ("someone/small", COMMIT, ())


@pytest.mark.parametrize("target", ["/etc/passwd", "../../refs/main", "../../../other/blobs/0", "../../../outside"])
def test_a_snapshot_links_only_to_its_own_blobs(target, cache):
    snapshot = cache / "snapshots" / COMMIT
    (cache.parent / "outside").write_text("{}")
    (snapshot / "vocab.txt").unlink(missing_ok=True)
    (snapshot / "vocab.txt").symlink_to(target)
    refused(errors.UnsafeWeights, "vocab.txt of someone/small points outside the model's folder: copy", snapshot)


def test_revisions_that_the_cache_lacks(cache):
    sentence = f"The cache of someone/small has no revision 'v2': give one of {COMMIT}."
    for revision in ("v2", "../main", "f" * 40):
        refused(errors.UnknownModel, sentence.replace("v2", revision), cache, revision=revision)
    (cache / "refs" / "main").write_text("../../../..")
    refused(errors.UnknownModel, sentence.replace("v2", "main"), cache)
    refused(
        errors.UnknownModel,
        f"This folder is the commit {COMMIT} of someone/small: leave",
        cache / "snapshots" / COMMIT,
        revision="main",
    )


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "config.json", "vocab.txt"])
def test_a_pointer_of_git_lfs(file, folder):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:53aa51\nsize 90868376\n"
    (folder / file).write_text(pointer)
    (folder / "pytorch_model.bin").write_text(pointer)  # is never read
    sentence = f"{file} of spoilt is only a Git LFS pointer to 90.9 MB, which a clone without Git LFS leaves: run "
    refused(errors.BrokenModel, sentence, folder)


def test_the_bundled_model_from_a_clone_without_lfs(tmp_path):
    clone = Path(shutil.copytree(minilm_folder(), tmp_path / "clone"))
    (clone / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:5\nsize 9\n")
    refused(errors.BrokenModel, "model.safetensors of clone is only a Git LFS pointer to 9 bytes", clone)
