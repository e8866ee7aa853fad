"""A folder's tokenizer, and whether it belongs to the model in the same folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES, tokenizer_class_from_name
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

from models.checkpoints.limits import read_settings
from models.checkpoints.locate import ModelFolder
from models.checkpoints.sentences import follow_sentence_settings
from models.checkpoints.tokenizer_limits import refuse_endless_vocabulary
from models.errors import HeadlightError, NoTokenizer, is_panic, short_message

log = logging.getLogger("headlight.models")

# Embeddings are padded to round numbers, by a few percent at most among published models. Another model's vocabulary
# is either longer, which a text may show, or much shorter.
_MIN_SHARE = 0.5
# Far above any published vocabulary. To save a tokenizer, the library counts up to the largest id, through every gap,
# and stops every other thread meanwhile.
_LARGEST_ID = 10_000_000
_FILES = ("tokenizer.json", "vocab*", "*.model", "merges.txt", "*.tiktoken", "tekken.json")
# The role of a special token in a configuration, and its roles in a tokenizer: BERT's [CLS] is RoBERTa's <s>.
_ROLES = {"bos": ("bos", "cls"), "eos": ("eos", "sep"), "pad": ("pad",), "cls": ("cls",), "sep": ("sep",)}


def load_tokenizer(folder: ModelFolder, config: PreTrainedConfig) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder, whose class may depend on the model's configuration.

    Raises:
        NoTokenizer: there is none, it does not load, or it is far larger than any published one.
    """
    refusal, remedy = (
        f"{folder.name} has no tokenizer that loads",
        "save the one it was trained with into the same folder",
    )
    nothing = f"{refusal} (no vocabulary in the folder): {remedy} (tokenizer.save_pretrained)."
    gguf = {"gguf_file": folder.gguf} if folder.gguf else {}
    if not gguf and not _has_vocabulary(folder, config):
        above = folder.path.resolve().parent
        if not folder.revision and any(any(above.glob(pattern)) for pattern in _FILES):
            raise NoTokenizer(
                f"{refusal} (no vocabulary in the folder): the folder above it, {above.name[:60]}, has one, copy it "
                "into this folder if the model was trained with it."
            )
        raise NoTokenizer(nothing)
    refuse_endless_vocabulary(folder.reads_with, folder.name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder.reads_with, config=config, local_files_only=True, trust_remote_code=False, **gguf
        )
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        log.exception("tokenizer of %s", folder.name)
        raise NoTokenizer(f"{refusal} ({short_message(error)}): {remedy} (tokenizer.save_pretrained).") from error
    if not gguf:
        follow_sentence_settings(tokenizer, folder.reads_with)
    if type(tokenizer.model_max_length) is not int or tokenizer.model_max_length < 1:
        # The file may contain any value here, and the tokenizer compares it with the length of every text.
        tokenizer.model_max_length = VERY_LARGE_INTEGER
    # transformers builds an empty tokenizer if the vocabulary of its class is missing.
    if not gguf and tokenizer.vocab_files_names and not _has_file(folder, tokenizer.vocab_files_names):
        raise NoTokenizer(nothing)
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest > _LARGEST_ID:
        raise NoTokenizer(
            f"{refusal} (it gives a token the id {highest:,}, expected {_LARGEST_ID:,} at most): "
            f"{remedy} (tokenizer.save_pretrained)."
        )
    return tokenizer


def _has_vocabulary(folder: ModelFolder, config: PreTrainedConfig) -> bool:
    """Return whether a folder has a vocabulary, or its class of tokenizer needs none (bytes, characters)."""
    if any(any(folder.reads_with.glob(pattern)) for pattern in _FILES):
        return True
    settings = folder.reads_with / "tokenizer_config.json"
    try:
        stated = read_settings(settings).get("tokenizer_class") if settings.exists() else None
    except (OSError, ValueError, AttributeError, HeadlightError):  # AutoTokenizer says what is wrong with the file
        return False
    name = stated if isinstance(stated, str) else TOKENIZER_MAPPING_NAMES.get(config.model_type)
    kind = tokenizer_class_from_name(name) if name else None
    if kind is None:
        return False
    return not kind.vocab_files_names or _has_file(folder, kind.vocab_files_names)


def _has_file(folder: ModelFolder, names: Mapping[str, Any]) -> bool:
    """Return whether a folder has a tokenizer.json or one of the files that a class of tokenizers reads."""
    files = {"tokenizer.json", *(name for name in names.values() if isinstance(name, str))} - {"tokenizer_config.json"}
    return any((folder.reads_with / name).exists() for name in files)


def tokenizer_notices(tokenizer: PreTrainedTokenizerBase, module: PreTrainedModel) -> Iterator[str]:
    """Yield a sentence for each sign that a tokenizer is not the model's own."""
    n_embeddings = getattr(module.get_input_embeddings(), "num_embeddings", None)
    vocabulary = tokenizer.get_vocab()
    beyond = sorted((number, token) for token, number in vocabulary.items() if number >= (n_embeddings or number + 1))
    if n_embeddings and beyond:
        number, token = beyond[0]
        more = f" and {len(beyond) - 1:,} more" if len(beyond) > 1 else ""
        yield (
            f"The tokenizer knows tokens that the model has no embedding for ({token[:40]!r}, id {number:,}{more}; "
            f"there are {n_embeddings:,} embeddings): a text with such a token is refused."
        )
    elif n_embeddings and len(vocabulary) < _MIN_SHARE * n_embeddings:
        yield (
            f"The tokenizer has {len(vocabulary):,} tokens for the model's {n_embeddings:,} embeddings: "
            "it may belong to another model, and then the model reads another text than the picture shows."
        )
    stated = dict(_compare_special_tokens(tokenizer, module))
    if len(stated) > 1 and all(theirs not in ours for theirs, ours in stated.values()):
        differences = ", ".join(f"{role} {theirs}, expected {ours[0]}" for role, (theirs, ours) in stated.items())
        yield (
            f"The tokenizer gives special tokens other ids than config.json ({differences}): "
            "it may belong to another model, and then the model reads another text than the picture shows."
        )


def _compare_special_tokens(
    tokenizer: PreTrainedTokenizerBase, module: PreTrainedModel
) -> Iterator[tuple[str, tuple[int, list[int]]]]:
    """Yield the role of each special token that both define, with the tokenizer's id and the configuration's ids."""
    config = module.config.get_text_config()
    for role, names in _ROLES.items():
        ours = getattr(config, f"{role}_token_id", None)
        theirs = [getattr(tokenizer, f"{name}_token_id", None) for name in names]
        found = next((number for number in theirs if number is not None), None)
        if found is not None and ours is not None:
            yield role, (found, list(ours) if isinstance(ours, (list, tuple)) else [ours])
