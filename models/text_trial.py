"""A trial of a text in a child process, before the server's tokenizer reads it: it may take too long or all memory.

A tokenizer.json may contain regular expressions that backtrack for hours on a text made for this purpose, and
replacements that make a text longer. Rust code cannot be interrupted inside the server, but a child process can be
killed.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

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
        self._tokenizer = (
            json.dumps({"version": "1.0", **parts, "added_tokens": [], "model": _NO_VOCABULARY}) if self.needed else ""
        )
        self._process: subprocess.Popen[str] | None = None
        self._one_at_a_time = threading.Lock()

    def check(self, text: str) -> None:
        """Let a text through that the tokenizer can read in time.

        Raises:
            NoText: the tokenizer takes too long or too much memory, or it fails.
        """
        if not self.needed:
            return
        with self._one_at_a_time:
            seconds = max(TIMEOUT_SECONDS, TIMEOUT_SECONDS_PER_CHARACTER * len(text))
            if self._process is None or self._process.poll() is not None:
                self._process = self._start()
                self._try("", START_TIMEOUT_SECONDS)  # a problem at the start is also a problem with the text
            problem = self._try(text, seconds)
        if problem is None:
            raise NoText(
                f"This model's tokenizer does not read the text within {seconds:.1f} s: shorten the text, or choose "
                "another model."
            )
        if problem:
            log.warning("a tokenizer failed on %d characters: %s", len(text), problem)
            raise NoText("This model's tokenizer fails on the text: change the text, or choose another model.")

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
        )
        # The process ends when its input ends: with this object, or with this program, also if that is killed.
        weakref.finalize(self, process.kill)
        assert process.stdin is not None
        process.stdin.write(self._tokenizer + "\n")
        return process

    def _try(self, text: str, seconds: float) -> str | None:
        """Return why the tokenizer cannot read a text, "" if it can; None if there is no answer after `seconds`."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        timed_out = threading.Event()

        def kill() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(seconds, kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(text) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:  # the process died before it read everything
            answer = ""
        finally:
            timer.cancel()
        if not answer:
            process.kill()
            process.wait()
            return None if timed_out.is_set() else "the process that tries texts died"
        return answer.strip()


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
