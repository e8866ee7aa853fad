"""What a folder holds that is not a model for Headlight, said by name, and where the model in it lies."""

from __future__ import annotations

import os
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

# Only these are looked for, at the top and one folder down; what a name stands for.
_FORMATS = {
    "*.gguf": "GGUF",
    "*.onnx": "ONNX",
    "saved_model.pb": "TensorFlow",
    "tf_model.h5": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "openvino_model.xml": "OpenVINO",
    "*.mlpackage": "Core ML",
    "*.engine": "TensorRT",
}
_MOST_NAMED = 5
# What is read first; a folder with none of these is never read.
_FIRST = ("config.json", "modules.json", "adapter_config.json")
# What transformers reads whole, and the most that it may hold; the first pattern that fits counts. The largest
# published tokenizers have 40 MB, settings 2 MB, indices 14 MB.
_READ_WHOLE = (
    (("*.index.json",), 40_000_000),
    (("*config.json", "modules.json", "*tokens*.json", "*.jinja"), 10_000_000),
    (("*.json", "*.txt", "*.model", "*.tiktoken", "tokenizer*", "vocab*", "merges*"), 60_000_000),
)
# Looked at in a folder, one by one.
_MOST_FILES = 10_000
_TEMPLATES = "additional_chat_templates"
_NOT_PLAIN = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def refuse_unsafe_files(folder: Path, name: str, inside: Path | None = None) -> None:
    """Let a model's folder through whose files are plain ones that lie in `inside`, the folder itself unless said.

    To be called before anything in it is read: which files a tokenizer reads depends on its class, so all are looked
    at, but hidden ones.

    Raises:
        UnsafeWeights: a file is a link out of the folder, or a named pipe, a socket or a device.
        BrokenModel: a file that is read whole is far larger than any model's, or there are thousands of files.
    """
    if not any(os.path.lexists(folder / first) for first in _FIRST):
        return
    within = (inside or folder).resolve()
    templates = folder / _TEMPLATES
    if os.path.lexists(templates):
        refuse_unsafe_file(templates, name, within)
    paths = list(islice(chain(folder.iterdir(), templates.glob("*")), _MOST_FILES + 1))
    if len(paths) > _MOST_FILES:
        raise BrokenModel(
            f"The folder of {name} has more than {_MOST_FILES:,} files, expected a model's own: move the model into a "
            "folder of its own."
        )
    for path in sorted(paths):
        if not path.name.startswith(".") and not path.is_dir():
            refuse_unsafe_file(path, name, within)
            n_bytes = path.stat().st_size if path.exists() else 0
            most = _most_bytes(path.name)
            if n_bytes > most:
                raise BrokenModel(
                    f"{path.name[:80]} of {name} has {readable(n_bytes)}, expected {readable(most)} at most: "
                    "save or fetch the model again."
                )


def _most_bytes(name: str) -> int:
    fitting = (most for patterns, most in _READ_WHOLE if any(fnmatch(name, pattern) for pattern in patterns))
    return next(fitting, sys.maxsize)


def refuse_unsafe_file(path: Path, name: str, within: Path) -> None:
    """Let a file through that is a plain one in the folder `within`, or missing.

    Raises:
        UnsafeWeights: it lies elsewhere, or is a named pipe, a socket or a device.
    """
    try:
        outside = not path.resolve().is_relative_to(within)
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
    """Return the folder of the transformer within one of sentence-transformers, any other folder as it is.

    Older ones keep it in `0_Transformer`, as their modules.json says.
    """
    if (folder / "config.json").exists():
        return folder
    for module in _json(folder / "modules.json", []):
        if isinstance(module, dict) and str(module.get("type")).endswith(".Transformer"):
            try:
                inner = (folder / str(module.get("path"))).resolve()
                if inner.is_relative_to(folder.resolve()) and (inner / "config.json").is_file():
                    return inner
            except (OSError, ValueError):  # too long, or no path at all
                continue
    return folder


def refuse_what_is_no_model(folder: Path, name: str) -> None:
    """Let a folder through that may be a whole model.

    Raises:
        ForeignFormat: it holds an adapter, or weights of another library.
        UnknownModel: it holds folders with models in them.
    """
    adapter = folder / "adapter_config.json"
    if adapter.exists():  # with PEFT beside it, transformers would open the base that it names, wherever that lies
        base = _json(adapter, {}).get("base_model_name_or_path")
        of = f" for {str(base)[:80]}" if base else ""
        raise ForeignFormat(
            f"{name} is an adapter{of} and no whole model (adapter_config.json): merge it into its base model "
            "(merge_and_unload) and save that with save_pretrained."
        )
    if (folder / "config.json").exists():
        return
    refuse_foreign_weights(folder, name)
    inner = models_within(folder)
    if inner:
        raise UnknownModel(f"{name} has no config.json, but folders in it do: give one of them ({inner}).")


def refuse_foreign_weights(folder: Path, name: str) -> None:
    """Let a folder without safetensors through, unless another library's weights or another folder explain it.

    Raises:
        ForeignFormat: the weights are another library's.
    """
    looked_at = _within(folder)
    for pattern, library in _FORMATS.items():
        found = sorted(path for path in looked_at if fnmatch(path.name, pattern))
        if found:
            path = str(found[0].relative_to(folder))[:80]
            raise ForeignFormat(
                f"{name} has its weights in the format of {library} ({path}), expected safetensors: "
                "choose the model that it was made from, saved with save_pretrained."
            )


def models_within(folder: Path) -> str:
    """Return the names of the folders in this one that hold a model, as one reads a list; empty if there are none."""
    # checkpoint-1000 comes after checkpoint-500.
    found = (path.parent.name for path in _within(folder) if path.name == "config.json" and path.parent != folder)
    names = sorted(found, key=lambda name: (len(name), name))
    shown = [name[:60] for name in names[-_MOST_NAMED:]]
    return ", ".join([*(["…"] if len(names) > _MOST_NAMED else []), *shown])


def _within(folder: Path) -> list[Path]:
    """Return what lies in a folder and in the folders in it, as far as a model's own files would reach."""
    found: list[Path] = []
    with suppress(OSError):
        found += islice(folder.iterdir(), _MOST_FILES)
    for inner in list(found):
        if len(found) >= _MOST_FILES:
            break
        with suppress(OSError):
            found += islice(inner.iterdir(), _MOST_FILES - len(found))
    return found


def _json(path: Path, default: Any) -> Any:
    """Return what a file holds, the default where it is not of its kind."""
    try:
        found = read_settings(path)
    except (OSError, ValueError):
        return default
    return found if isinstance(found, type(default)) else default
