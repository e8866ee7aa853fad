"""A model from the Hugging Face hub, or from the local cache of the hub's client."""

from __future__ import annotations

import logging
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from models.errors import ForeignFormat, HeadlightError, ModelUnreachable, UnknownModel
from models.memory import admit

log = logging.getLogger("headlight.models")

_WANTED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
# Of the folders inside, only the settings of sentence-transformers' pooling are read.
_UNWANTED_FILES = ["[!1]*/*", "1[!_]*/*", "1_[!P]*/*", "1_P*/*[!g].*", "1_P*/*/*"]
# Give up waiting for an answer of the hub after this many seconds.
HUB_TIMEOUT_SECONDS = 10


def fetch(name: str, revision: str | None, unknown: str) -> Path:
    """Return the folder of a model's snapshot, downloading what the cache lacks.

    `unknown` is the sentence for a name that the hub does not know.

    Raises:
        UnknownModel: the hub has no such model or revision.
        ModelUnreachable: the hub does not answer and the model is not in the cache, or the model is gated.
        NotEnoughMemory: its weights would not fit in memory.
        ForeignFormat: it has only GGUF files, of which one has to be chosen.
    """
    try:
        answers = _admit_download(name, revision)
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=_WANTED_FILES,
            ignore_patterns=_UNWANTED_FILES,
            # The client itself would wait without end for a hub that takes connections and never answers.
            local_files_only=not answers,
        )
    except HeadlightError:
        raise
    except GatedRepoError as error:
        raise ModelUnreachable(
            f"{name} asks for an agreement first: accept it on its hub page, set HF_TOKEN, and load it again."
        ) from error
    except RevisionNotFoundError as error:
        raise UnknownModel(f"{name} has no revision {revision!r}: give a branch, a tag or a commit.") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UnknownModel(unknown) from error
    except Exception as error:  # the client raises its own errors, those of its HTTP library, and the system's
        log.warning("fetching %s: %r", name, error)
        raise ModelUnreachable(
            f"{name} is not a bundled name, not a folder here and not in the hub's cache, and the hub cannot be "
            "reached: check the network, or give the path of a folder made by save_pretrained."
        ) from error
    return Path(folder)


def _admit_download(name: str, revision: str | None) -> bool:
    """Refuse a download whose weights would not fit in memory, or are GGUF files; return whether the hub answers."""
    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=HUB_TIMEOUT_SECONDS)
    except (GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except Exception as error:  # without an answer there is no estimate, but the cache may contain the model
        log.info("no size of %s from the hub: %r", name, error)
        return False
    files = info.siblings or []
    names = [file.rfilename for file in files]
    whole = sorted(one for one in names if one.lower().endswith(".gguf"))
    if whole and not any(one.endswith(".safetensors") for one in names):
        raise ForeignFormat(
            f"{name} has only GGUF files on the hub ({', '.join(one[:60] for one in whole[:3])}"
            f"{', …' if len(whole) > 3 else ''}): download one of them and give its path."
        )
    size = sum(
        file.size or 0 for file in files if "/" not in file.rfilename and file.rfilename.endswith(".safetensors")
    )
    admit(size, f"Loading {name}", "choose a smaller model or close other programs")
    return True
