"""What a folder contains that is not a model for Headlight, refused by name, and where the model in it is."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import suppress
from fnmatch import fnmatch
from itertools import chain, islice
from pathlib import Path
from typing import Any

from models.checkpoints.limits import read_settings
from models.errors import BrokenModel, ForeignFormat, UnknownModel, UnsafeWeights
from models.memory import readable

# The formats of other libraries, by file names at the top of a folder and one folder down.
_FORMATS = {
    "*.gguf": "GGUF",  # one folder down
    "*.onnx": "ONNX",
    "saved_model.pb": "TensorFlow",
    "tf_model.h5": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "openvino_model.xml": "OpenVINO",
    "*.mlpackage": "Core ML",
    "*.engine": "TensorRT",
}
# How transformers 4 read such weights; transformers 5 does not read them at all.
_OPTIONS = {"TensorFlow": "from_tf", "Flax": "from_flax"}
_MAX_NAMED = 5
# The files that are read first. A folder with none of these is never read.
_FIRST = ("config.json", "modules.json", "adapter_config.json")
_MODEL_FILES = ("config.json", "adapter_config.json")
# The files that transformers reads whole, and their largest sizes in bytes. The first pattern that matches counts. The
# largest published tokenizers have 40 MB, settings 2 MB, indices 14 MB.
_READ_WHOLE = (
    (("*.index.json",), 40_000_000),
    (("*config.json", "modules.json", "*tokens*.json", "*.jinja"), 10_000_000),
    (("*.json", "*.txt", "*.model", "*.tiktoken", "tokenizer*", "vocab*", "merges*"), 60_000_000),
)
# The log of a training, one entry for each report.
_MAX_STATE = 20_000_000
# How many files of a folder are checked, one by one.
_MAX_FILES = 10_000
# A pointer of Git LFS has 130 bytes. Files of other formats are never read, so their pointers do no harm.
_POINTER_BYTES, _NEVER_READ = 1_000, {".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".ot", ".onnx", ".md"}
_TEMPLATES = "additional_chat_templates"
_NOT_PLAIN = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def refuse_unsafe_files(folder: Path, name: str, root: Path | None = None) -> None:
    """Let a model's folder through if its files are plain files inside `root`, by default the folder itself.

    Links may lead into the folder itself or into `root`. Call this before anything in the folder is read. The files
    that a tokenizer reads depend on its class, so all files are checked except hidden ones.

    Raises:
        UnsafeWeights: a file is a link out of the folder, or a named pipe, a socket or a device.
        BrokenModel: a file that is read whole is far larger than any model's, is a pointer of Git LFS, or there are
            thousands of files.
    """
    if not any(os.path.lexists(folder / first) for first in _FIRST):
        return
    roots = (folder.resolve(), (root or folder).resolve())
    templates = folder / _TEMPLATES
    if os.path.lexists(templates):
        refuse_unsafe_file(templates, name, *roots)
    paths = list(islice(chain(folder.iterdir(), templates.glob("*")), _MAX_FILES + 1))
    if len(paths) > _MAX_FILES:
        raise BrokenModel(
            f"The folder of {name} has more than {_MAX_FILES:,} files, expected only those of a model: move the model "
            "into a separate folder."
        )
    for path in sorted(paths):
        if not path.name.startswith(".") and not path.is_dir():
            refuse_unsafe_file(path, name, *roots)
            n_bytes = path.stat().st_size if path.exists() else 0
            maximum = _max_bytes(path.name)
            if n_bytes > maximum:
                raise BrokenModel(
                    f"{path.name[:80]} of {name} has {readable(n_bytes)}, expected {readable(maximum)} at most: "
                    "save or fetch the model again."
                )
            if n_bytes <= _POINTER_BYTES and path.suffix not in _NEVER_READ:
                _refuse_pointer(path, name)


def _max_bytes(name: str) -> int:
    matching = (maximum for patterns, maximum in _READ_WHOLE if any(fnmatch(name, pattern) for pattern in patterns))
    return next(matching, sys.maxsize)


def _refuse_pointer(path: Path, name: str) -> None:
    """Refuse a file that a clone without Git LFS left in place of the real one.

    Raises:
        BrokenModel: it is such a pointer.
    """
    try:
        text = path.read_bytes()[:_POINTER_BYTES]
    except OSError:  # whatever reads the file says what is wrong with it
        return
    if text.startswith(b"version https://git-lfs"):
        size = re.search(rb"size (\d{1,15})\b", text)
        of = f" to {readable(int(size[1]))}" if size else ""
        raise BrokenModel(
            f"{path.name[:80]} of {name} is only a Git LFS pointer{of}, which a clone without Git LFS leaves: run "
            "`git lfs install` and `git lfs pull` in the folder, or give the model's hub id."
        )


def refuse_unsafe_file(path: Path, name: str, *roots: Path) -> None:
    """Let a file through if it is a plain file inside one of the folders `roots`, or missing.

    Raises:
        UnsafeWeights: it is elsewhere, or is a named pipe, a socket or a device.
    """
    try:
        target = path.resolve()
        outside = not any(target.is_relative_to(root) for root in roots)
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        kind = stat.S_IFREG
    except (OSError, RuntimeError):  # links in a circle
        outside = True
    if outside:
        raise UnsafeWeights(
            f"{path.name[:80]} of {name} points outside the model's folder: copy the file into the folder."
        )
    if kind in _NOT_PLAIN:
        raise UnsafeWeights(
            f"{path.name[:80]} of {name} is {_NOT_PLAIN[kind]}, expected a plain file: save or fetch the model again."
        )


def transformer_folder(folder: Path) -> Path:
    """Return the transformer's folder inside a folder of sentence-transformers, any other folder unchanged.

    Older models keep it in `0_Transformer`, which their modules.json names.
    """
    if any((folder / name).exists() for name in _MODEL_FILES):
        return folder
    for module in _json(folder / "modules.json", []):
        if isinstance(module, dict) and str(module.get("type")).endswith(".Transformer"):
            try:
                inner = (folder / str(module.get("path"))).resolve()
                if inner.is_relative_to(folder.resolve()) and any((inner / name).is_file() for name in _MODEL_FILES):
                    return inner
            except (OSError, ValueError):  # too long, or not a path
                continue
    return folder


def is_gguf(path: Path) -> bool:
    """Return whether a path is that of a file with the ending .gguf."""
    return path.suffix.lower() == ".gguf" and path.is_file()


def gguf_in(folder: Path) -> list[Path]:
    """Return the GGUF files at the top of a folder without weights that transformers saved, by name."""
    paths = list(islice(folder.iterdir(), _MAX_FILES))
    if any(path.name.endswith(".safetensors") or path.name in _FIRST[1:] for path in paths):
        return []
    return sorted(path for path in paths if is_gguf(path))


def refuse_other_contents(folder: Path, name: str) -> None:
    """Let a folder through that may be a whole model.

    Raises:
        ForeignFormat: it contains weights of another library.
        UnknownModel: it contains folders with models in them.
    """
    if (folder / "config.json").exists():
        return
    refuse_foreign_weights(folder, name)
    inner = list_inner_models(folder)
    if inner:
        raise UnknownModel(f"{name} has no config.json, but folders in it do: give one of them ({inner}).")


def refuse_foreign_weights(folder: Path, name: str) -> None:
    """Let a folder without safetensors through, unless another library's weights or another folder explain it.

    Raises:
        ForeignFormat: the weights are another library's.
    """
    paths = _list_paths(folder)
    for pattern, library in _FORMATS.items():
        found = sorted(path for path in paths if fnmatch(path.name, pattern))
        if found:
            path = str(found[0].relative_to(folder))[:80]
            if library == "GGUF":
                raise ForeignFormat(f"{name} has its weights one folder down ({path}): give the path of that file.")
            old = library in ("TensorFlow", "Flax")
            remedy = (
                f"convert it in an environment with transformers 4 (from_pretrained(folder, {_OPTIONS[library]}=True), "
                "then save_pretrained(folder)), or choose the same model in safetensors."
                if old
                else "choose the model that it was made from, saved with save_pretrained."
            )
            raise ForeignFormat(
                f"{name} has its weights in the format of {library} ({path}), expected safetensors: {remedy}"
            )


def list_inner_models(folder: Path) -> str:
    """Return the names of the folders in this one that contain a model, separated by commas, "" if there are none.

    Of the checkpoints of a training, the best one is marked as the newest one's record says.
    """
    # checkpoint-1000 comes after checkpoint-500.
    paths = (path for path in _list_paths(folder) if path.name in _MODEL_FILES and path.parent != folder)
    names = sorted({path.parent.name for path in paths}, key=lambda name: (len(name), name))
    shown = names[-_MAX_NAMED:]
    best = _best_checkpoint(folder / names[-1], names) if names else ""
    if best and best not in shown:
        shown = [best, *shown[1:]]
    shown = [f"{name[:60]}, the best of them" if name == best and len(names) > 1 else name[:60] for name in shown]
    return ", ".join([*(["…"] if len(names) > _MAX_NAMED else []), *shown])


def _best_checkpoint(newest: Path, names: list[str]) -> str:
    """Return the name of the checkpoint that a training found best, "" if it does not say."""
    state = newest / "trainer_state.json"
    if not state.is_file() or state.is_symlink() or state.stat().st_size > _MAX_STATE:
        return ""
    best = _json(state, {}).get("best_model_checkpoint")
    name = re.split(r"[/\\]", best)[-1] if isinstance(best, str) else ""
    return name if name in names else ""


def _list_paths(folder: Path) -> list[Path]:
    """Return the paths in a folder and in the folders in it, at most `_MAX_FILES`."""
    found: list[Path] = []
    with suppress(OSError):
        found += islice(folder.iterdir(), _MAX_FILES)
    for inner in list(found):
        if len(found) >= _MAX_FILES:
            break
        with suppress(OSError):
            found += islice(inner.iterdir(), _MAX_FILES - len(found))
    return found


def _json(path: Path, default: Any) -> Any:
    """Return the content of a JSON file, the default if it is not of the default's type."""
    try:
        found = read_settings(path)
    except (OSError, ValueError):
        return default
    return found if isinstance(found, type(default)) else default
