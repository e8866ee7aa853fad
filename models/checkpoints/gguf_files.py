"""GGUF files, which transformers reads: their configuration, and one of them alone in a folder."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from models.checkpoints.gguf_headers import GgufHeader, read_gguf_header
from models.checkpoints.limits import MAX_EXPERTS, MAX_LAYERS
from models.checkpoints.locate import ModelFolder
from models.errors import BrokenModel, ForeignFormat, short_message

log = logging.getLogger("headlight.models")

# The largest settings by the ends of their names, and the smallest, far from any published model's.
_LIMITS = (
    (re.compile(r"\.block_count$"), 1, MAX_LAYERS),
    (re.compile(r"\.attention\.head_count(_kv)?$"), 0, 65_536),
    (re.compile(r"\.expert_count$"), 0, MAX_EXPERTS),
    (re.compile(r"\.context_length$"), 0, 2**27),
    (re.compile(r"\.embedding_length$"), 1, 2**24),
    (re.compile(r".*"), -(2**31), 2**32),
)


@contextmanager
def alone(folder: ModelFolder) -> Iterator[ModelFolder]:
    """Give a model's folder; that of a GGUF file is a new one with a link to the file.

    The file contains its tokenizer and its configuration. transformers would prefer files beside it, which in a folder
    of downloads belong to other models.
    """
    if not folder.gguf:
        yield folder
        return
    with TemporaryDirectory(prefix="headlight-", ignore_cleanup_errors=True) as made:
        link = Path(made) / folder.gguf
        source = (folder.path / folder.gguf).resolve()
        try:
            os.symlink(source, link)
        except OSError:  # Windows, without the right to make links
            try:
                os.link(source, link)
            except OSError as error:
                raise BrokenModel(f"{folder.name} cannot be opened ({short_message(error)}): copy the file.") from error
        with _read_once():
            yield replace(folder, path=Path(made))


@contextmanager
def _read_once() -> Iterator[None]:
    """Keep the library's reader of a file while a model loads: transformers makes several, and each takes seconds.

    Only one model loads at a time (load.py).
    """
    import gguf

    made: dict[str, Any] = {}
    whole = gguf.GGUFReader

    def find(path: Any, *given: Any) -> Any:
        if str(path) not in made:
            made[str(path)] = whole(path, *given)
        return made[str(path)]

    gguf.GGUFReader = find  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        gguf.GGUFReader = whole  # type: ignore[misc]
        made.clear()


def read_gguf_config(folder: ModelFolder) -> PreTrainedConfig:
    """Return the configuration of a GGUF file.

    Raises:
        BrokenModel: the file is damaged, or a size in it is far from any model's.
        ForeignFormat: transformers does not read its architecture.
    """
    header = read_gguf_header(folder.path / folder.gguf, folder.name)
    _refuse_absurd_settings(header, folder)
    try:
        config = AutoConfig.from_pretrained(
            folder.path, gguf_file=folder.gguf, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        log.exception("config of %s", folder.name)
        if "not supported" in str(error) or isinstance(error, KeyError):
            raise ForeignFormat(
                f"{folder.name} is a GGUF file of the architecture {header.architecture[:40]!r}, which transformers "
                f"{transformers.__version__} does not read: choose the model that it was made from."
            ) from error
        raise BrokenModel(
            f"The settings in {folder.name} do not load ({short_message(error)}): fetch the file again."
        ) from error
    head = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    if isinstance(head, str) and not config.architectures and not config.is_encoder_decoder:
        config.architectures = [head]  # the files are made of models that write
    return config


def _refuse_absurd_settings(header: GgufHeader, folder: ModelFolder) -> None:
    for key, value in header.settings.items():
        if key.startswith(("general.", "tokenizer.")):
            continue
        smallest, largest = next((low, high) for pattern, low, high in _LIMITS if pattern.search(key))
        for one in value if isinstance(value, list) else [value]:
            if type(one) is int and not smallest <= one <= largest:
                raise BrokenModel(
                    f"{folder.name} says {key[:60]} is {one:,}, expected {smallest:,} to {largest:,}: fetch the file "
                    "again."
                )


def gguf_notice(header: GgufHeader) -> tuple[str, ...]:
    """Return a sentence on what the weights of a GGUF file are, () if none is quantised."""
    kinds = header.quantised
    if not kinds:
        return ()
    return (
        f"The weights are dequantised from {' and '.join(kinds[:3])} (a GGUF file): they are those of the quantised "
        "model, not the ones that were trained.",
    )


def save_dequantised(source: Path, folder: Path) -> None:
    """Save the model of a GGUF file as `save_pretrained` does, with its tokenizer, in float32.

    The values of a quantised type are products and sums of float16 numbers, which only float32 holds exactly.

    Raises:
        HeadlightError: the file is damaged, takes too much memory, or transformers does not read it.
    """
    # These modules read weights and tokenizers of every kind of folder, and import this one for GGUF files.
    from models.checkpoints.config import read_config
    from models.checkpoints.processors import load_processors
    from models.checkpoints.weights import admit_checkpoint, load_module

    with alone(ModelFolder(source.parent, source.name, "", gguf=source.name)) as found:
        config = read_config(found)
        admit_checkpoint(found, config, torch.float32)
        module, _ = load_module(found, config, torch.float32)
        tokenizer = load_processors(found, config).tokenizer
    # A model that was read from a quantised file is marked and refuses to be saved.
    settings = {name: value for name, value in config.to_dict().items() if not name.startswith("quantization")}
    plain = type(module)(type(config).from_dict(settings))
    plain.load_state_dict(module.state_dict())
    plain.save_pretrained(folder)
    assert tokenizer is not None  # GGUF files contain one
    tokenizer.save_pretrained(folder)
