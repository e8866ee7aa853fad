"""A command line that refuses wrong arguments in one sentence instead of argparse's usage."""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

# What argparse says, and what the command says instead.
_SENTENCES = (
    (r"the following arguments are required: (.+)", "{} must be given"),
    (r"argument (\S+): expected one argument", "{0} needs a value, with = before one that begins with a dash"),
    (r"argument (\S+): invalid int value: (.+)", "{} is a whole number, not {}"),
    (r"argument (\S+): invalid float value: (.+)", "{} is a number, not {}"),
    (r"unrecognized arguments: (.+)", "There is no option or argument {}"),
    (r"argument \S+: ([A-Z-].*)", "{}"),
)


class OneSentenceParser(argparse.ArgumentParser):
    """A parser whose refusals are one sentence on standard error.

    `sentences` are pairs of a pattern of argparse's messages and the sentence that replaces what it matches.
    """

    sentences: tuple[tuple[str, str], ...] = ()

    def error(self, message: str) -> NoReturn:
        """Write the sentence and exit with code 2."""
        self.exit(2, f"headlight: {self._rephrase(' '.join(message.split()))}; see {self.prog} --help.\n")

    def _rephrase(self, message: str) -> str:
        for pattern, sentence in (*self.sentences, *_SENTENCES):
            found = re.fullmatch(pattern, message)
            if found:
                return sentence.format(*found.groups())
        return message[:1].upper() + message[1:]
