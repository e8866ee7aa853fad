"""A trial of a text in a child process, before the server's tokenizer reads it: it may take too long or all memory.

A tokenizer.json may contain regular expressions that backtrack for hours on a text made for this purpose, and
replacements that make a text longer. Rust code cannot be interrupted inside the server, but a child process can be
killed.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

from models.child import Child
from models.errors import NoText

log = logging.getLogger("headlight.models")

_CHILD = Path(__file__).with_name("text_trial_child.py")
# The timeout is the larger one of these: for short texts, and for each character of long ones. More than twice the time
# of Llama's expression.
TIMEOUT_SECONDS, TIMEOUT_SECONDS_PER_CHARACTER = 1.5, 3e-6
# The process starts and reads the tokenizer within a tenth of a second. On a busy machine it takes longer.
START_TIMEOUT_SECONDS = 20.0
# One word for every text, so that only the normalizer and the pre-tokenizer are tried.
_NO_VOCABULARY = {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}


class TextTrial:
    """Tries texts with one tokenizer in a child process, which starts with the first text.

    `description` is the content of the tokenizer.json.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        parts = {name: description.get(name) for name in ("normalizer", "pre_tokenizer")}
        self.needed = _is_dangerous(parts)
        self._child = Child(
            _CHILD,
            json.dumps({"version": "1.0", **parts, "added_tokens": [], "model": _NO_VOCABULARY}),
            START_TIMEOUT_SECONDS,
        )
        self._one_at_a_time = threading.Lock()

    def check(self, text: str) -> None:
        """Let a text through that the tokenizer can read in time.

        Raises:
            NoText: the tokenizer takes too long or too much memory, or it fails.
        """
        if not self.needed:
            return
        seconds = max(TIMEOUT_SECONDS, TIMEOUT_SECONDS_PER_CHARACTER * len(text))
        try:
            with self._one_at_a_time:
                problem = self._child.ask(json.dumps(text), seconds, empty=json.dumps("")).strip()
        except TimeoutError as error:
            raise NoText(
                f"This model's tokenizer does not read the text within {seconds:.1f} s: shorten the text, or choose "
                "another model."
            ) from error
        except ChildProcessError as error:
            problem = str(error)
        if problem:
            log.warning("a tokenizer failed on %d characters: %s", len(text), problem)
            raise NoText("This model's tokenizer fails on the text: change the text, or choose another model.")


def _is_dangerous(part: Any) -> bool:
    """Return whether a part of a tokenizer.json has a regular expression, or a replacement that lengthens a text."""
    if isinstance(part, list):
        return any(map(_is_dangerous, part))
    if not isinstance(part, dict):
        return False
    if "Regex" in part:
        return True
    if part.get("type") == "Replace":
        replaced = part.get("pattern") or {}
        if len(str(part.get("content", ""))) > len(str(replaced.get("String", ""))):
            return True
    return any(map(_is_dangerous, part.values()))
