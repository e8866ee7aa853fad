"""What sentence-transformers does before a model reads a text: its maximum length, lower case, and prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers.normalizers import Lowercase, Sequence
from transformers import PreTrainedTokenizerBase

from models.checkpoints.limits import read_settings

# The library looks for its settings under these names, in this order.
_FILES = tuple(
    f"sentence_{family}_config.json"
    for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
_PROMPTS = "config_sentence_transformers.json"
_MAX_TOKENS, _MAX_PROMPT = 2**31, 200


def follow_sentence_settings(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Make a tokenizer cut and change texts as sentence-transformers does, if the folder has its settings."""
    described = next((found for name in _FILES if (found := _read_object(folder / name))), {})
    longest = described.get("max_seq_length")
    for key in ("processor_kwargs", "tokenizer_args"):  # later versions keep it there as well, and prefer it
        options = described.get(key)
        longest = options.get("model_max_length", longest) if isinstance(options, dict) else longest
    if type(longest) is int and 1 <= longest <= _MAX_TOKENS:
        tokenizer.model_max_length = longest
    if described.get("do_lower_case") is True:
        _lower(tokenizer)


def _lower(tokenizer: PreTrainedTokenizerBase) -> None:
    """Make a tokenizer read every text in lower case, as the library does it."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        tokenizer.do_lower_case = True
        return
    before: Any = backend.normalizer
    parts: list[Any] = list(iter(before)) if isinstance(before, Sequence) else [before] if before is not None else []
    if not any(isinstance(part, Lowercase) for part in parts):
        backend.normalizer = Sequence([Lowercase(), *parts])


def prompt_notice(folder: Path) -> tuple[str, ...]:
    """Return a sentence on the text that sentence-transformers puts before every text; () if it puts nothing."""
    described = _read_object(folder / _PROMPTS)
    prompts = described.get("prompts")
    name = described.get("default_prompt_name")
    prompt = prompts.get(name) if isinstance(prompts, dict) and isinstance(name, str) else None
    if not isinstance(prompt, str) or not prompt.strip():
        return ()
    return (
        f"sentence-transformers puts {prompt[:_MAX_PROMPT]!r} before every text that this model reads "
        f"({_PROMPTS}): type it before the text to see the same.",
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        found = read_settings(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
