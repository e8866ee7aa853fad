"""Hub ids: what the hub's answers become, and that a cached model needs no network."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from models import errors, load_model
from models.checkpoints import hub
from tests.helpers.small_models import SENTENCE

pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNREACHABLE = (
    "org/name is not a bundled name, not a folder here and not in the hub's cache, and the hub cannot be reached: "
    "check the network, or give the path of a folder made by save_pretrained."
)


class HttpLibraryError(Exception):
    """Stands for what the client's HTTP library raises (a proxy, a broken connection): no OSError."""


def answer(kind: type[Exception]) -> Exception:
    """An error as the hub's client raises it."""
    if issubclass(kind, HfHubHTTPError):
        return kind(
            "401 Client Error\n\nsecret detail", response=SimpleNamespace(headers={}, status_code=401, request=None)
        )
    return kind("secret detail")


@pytest.mark.parametrize("asked", ["model_info", "snapshot_download"])
@pytest.mark.parametrize(
    ("kind", "refusal", "sentence"),
    [
        (
            RepositoryNotFoundError,
            errors.UnknownModel,
            "No model is called 'org/name': give a bundled name (minilm, ",
        ),
        (
            HFValidationError,
            errors.UnknownModel,
            "No model is called 'org/name': give a bundled name (minilm, ",
        ),
        (GatedRepoError, errors.ModelUnreachable, "org/name asks for an agreement first: accept it on its hub page, "),
        (
            RevisionNotFoundError,
            errors.UnknownModel,
            "org/name has no revision 'v2': give a branch, a tag or a commit.",
        ),
        (LocalEntryNotFoundError, errors.ModelUnreachable, UNREACHABLE),
        (ConnectionError, errors.ModelUnreachable, UNREACHABLE),
        (TimeoutError, errors.ModelUnreachable, UNREACHABLE),
        (HttpLibraryError, errors.ModelUnreachable, UNREACHABLE),
        (HfHubHTTPError, errors.ModelUnreachable, UNREACHABLE),
    ],
)
def test_what_the_hub_says_becomes_a_sentence(asked, kind, refusal, sentence, monkeypatch, minilm):
    def fail(*given, **options):
        raise answer(kind)

    if asked == "model_info":  # where the size is asked only these end it, else the cache may still have the model
        if kind not in (RepositoryNotFoundError, GatedRepoError, RevisionNotFoundError, HFValidationError):
            refusal, sentence = errors.ModelUnreachable, UNREACHABLE
        monkeypatch.setattr(hub.HfApi, "model_info", fail)
    else:
        monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(refusal) as caught:
        load_model("org/name", revision="v2")
    assert str(caught.value).startswith(sentence)
    assert "secret" not in str(caught.value)
    assert minilm.trace("The cat sat.").kinds == ("encoder",)


def test_no_network_and_not_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(errors.ModelUnreachable) as caught:
        load_model("org/name")
    assert str(caught.value) == UNREACHABLE


@pytest.mark.parametrize(("answers", "local"), [(True, False), (False, True)])
def test_a_hub_that_does_not_answer_is_not_asked_again(answers, local, monkeypatch):
    """The client waits for ever for one that takes connections and says nothing."""
    asked = []

    def info(*given, timeout, **options):
        assert timeout == hub.HUB_TIMEOUT_SECONDS
        if not answers:
            raise TimeoutError
        return SimpleNamespace(siblings=[])

    def fetch(*given, local_files_only, **options):
        asked.append(local_files_only)
        raise LocalEntryNotFoundError("not cached")

    monkeypatch.setattr(hub.HfApi, "model_info", info)
    monkeypatch.setattr(hub, "snapshot_download", fetch)
    with pytest.raises(errors.ModelUnreachable):
        load_model("org/name")
    assert asked == [local]


@pytest.mark.parametrize("revision", ["", "../main", "a b", "x" * 200, "a\0b"])
def test_a_revision_that_is_none(revision):
    with pytest.raises(
        errors.UnknownModel, match=r"is not a revision: give a branch, a tag or a commit of org/name\.$"
    ):
        load_model("org/name", revision=revision)


def test_a_download_that_would_not_fit_is_not_begun(monkeypatch):
    files = [
        SimpleNamespace(rfilename="model-1.safetensors", size=60 * 10**9),
        SimpleNamespace(rfilename="model-2.safetensors", size=11 * 10**9),
        SimpleNamespace(rfilename="onnx/model.safetensors", size=10**15),  # is not fetched
        SimpleNamespace(rfilename="pytorch_model.bin", size=10**15),
    ]
    monkeypatch.setattr(hub.HfApi, "model_info", lambda *given, **options: SimpleNamespace(siblings=files))
    monkeypatch.setattr(hub, "snapshot_download", lambda *given, **options: pytest.fail("fetched"))
    monkeypatch.setattr("models.memory.free_bytes", lambda: 8 * 10**9)
    with pytest.raises(errors.NotEnoughMemory) as caught:
        load_model("org/name")
    assert str(caught.value) == (
        "Loading org/name needs about 71.0 GB, and 8.0 GB are free: choose a smaller model or close other programs."
    )


@pytest.fixture
def cached(folder_of, tmp_path, monkeypatch) -> Path:
    """A cache with org/name in it, as the hub's client lays it out: blobs, links to them, the branch's commit."""
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for number, path in enumerate(sorted(folder_of("bert").iterdir())):
        shutil.copy(path, repository / "blobs" / f"{number:064x}")
        (snapshot / path.name).symlink_to(Path("../../blobs") / f"{number:064x}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return repository


@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_a_cached_model_loads_without_a_network(revision, cached, loaded):
    model = load_model("org/name", revision=revision)
    assert (model.card.name, model.card.revision) == ("org/name", COMMIT)
    trace = model.trace(SENTENCE)
    assert trace.source.revision == COMMIT
    assert (trace["encoder"].layer(1) == loaded("bert").trace(SENTENCE)["encoder"].layer(1)).all()


def test_a_cached_model_may_not_link_out_of_its_repository(cached):
    link = cached / "snapshots" / COMMIT / "model.safetensors"
    blob = link.resolve()
    outside = cached.parent / "outside.safetensors"
    blob.rename(outside)
    link.unlink()
    link.symlink_to(outside)
    with pytest.raises(
        errors.UnsafeWeights, match=r"^model\.safetensors of org/name points outside the model's folder"
    ):
        load_model("org/name")


def test_a_repository_of_gguf_files_is_not_fetched(monkeypatch):
    files = [SimpleNamespace(rfilename=f"small.Q{bits}.gguf", size=5) for bits in (2, 3, 4, 8)]
    monkeypatch.setattr(hub.HfApi, "model_info", lambda *given, **options: SimpleNamespace(siblings=files))
    monkeypatch.setattr(hub, "snapshot_download", lambda *given, **options: pytest.fail("fetched"))
    with pytest.raises(errors.ForeignFormat) as caught:
        load_model("org/name")
    assert str(caught.value) == (
        "org/name has only GGUF files on the hub (small.Q2.gguf, small.Q3.gguf, small.Q4.gguf, …): download one of "
        "them and give its path."
    )
