"""Texts are read in a process that can be ended first, where a tokenizer may take for ever or all memory to do so.

A tokenizer.json may hold regular expressions, which search back and forth for hours on a text made for it, and
replacements that make a text longer. Rust code cannot be ended inside the server.
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
# For any text, and for each character of one of megabytes: more than twice what Llama's expression takes.
SECONDS, SECONDS_PER_CHARACTER = 1.5, 3e-6
# The process starts, and reads the tokenizer, within a tenth of a second; on a busy machine it takes longer.
START_SECONDS = 20.0
# A word for each text, so that nothing but reading is tried.
_NO_VOCABULARY = {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"}


class ReadingCheck:
    """Tries texts with one tokenizer before the server reads them; starts its process with the first text."""

    def __init__(self, description: dict[str, Any]) -> None:
        parts = {name: description.get(name) for name in ("normalizer", "pre_tokenizer")}
        self.needed = _is_dangerous(parts)
        self._tokenizer = (
            json.dumps({"version": "1.0", **parts, "added_tokens": [], "model": _NO_VOCABULARY}) if self.needed else ""
        )
        self._process: subprocess.Popen[str] | None = None
        self._one_at_a_time = threading.Lock()

    def check(self, text: str) -> None:
        """Let a text through that can be read in time.

        Raises:
            NoText: reading it takes too long, or more memory than there should be, or fails.
        """
        if not self.needed:
            return
        with self._one_at_a_time:
            seconds = max(SECONDS, SECONDS_PER_CHARACTER * len(text))
            if self._process is None or self._process.poll() is not None:
                self._process = self._start()
                self._answer("", START_SECONDS)  # what goes wrong here goes wrong with the text as well
            problem = self._answer(text, seconds)
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
        # It ends with its input: with the reader that it belongs to, and with this program, however that ends.
        weakref.finalize(self, process.kill)
        assert process.stdin is not None
        process.stdin.write(self._tokenizer + "\n")
        return process

    def _answer(self, text: str, seconds: float) -> str | None:
        """Return why a text cannot be read, "" if it can; None where that is not known after so many seconds."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        ended = threading.Event()

        def end() -> None:
            ended.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            process.stdin.write(json.dumps(text) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:  # it died before it read everything
            answer = ""
        finally:
            timer.cancel()
        if not answer:
            process.kill()
            process.wait()
            return None if ended.is_set() else "the process that tries texts died"
        return answer.strip()


def _is_dangerous(part: Any) -> bool:
    """Return whether a part of a tokenizer.json searches with an expression of its own, or lengthens a text."""
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
