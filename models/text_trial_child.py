"""Reads texts in a process of its own, which can be ended: a program, run by models/text_trial.py, not a module.

The first line of its input is a tokenizer.json without its vocabulary; then each line is a text in JSON. It answers
each with a line: nothing if the text can be read, else why not. It imports nothing of this project, to start at once.
"""

import json
import sys
from contextlib import suppress

from tokenizers import Tokenizer

# A text that a normalizer makes longer than any memory ends here and not in the server. What Python and the library
# take themselves is about a fifth of it.
MOST_BYTES = 1_000_000_000


def limit_memory() -> None:
    """Let the system refuse what exceeds the limit, where it can (not on Windows)."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


def main() -> None:
    """Answer until the input ends."""
    limit_memory()
    tokenizer = Tokenizer.from_str(sys.stdin.readline())
    for line in sys.stdin:
        try:
            tokenizer.encode_batch([json.loads(line)], add_special_tokens=False)
            problem = ""
        except BaseException as error:  # a panic of the library's Rust code is no Exception
            problem = " ".join(str(error).split())[:160] or type(error).__name__
        print(problem, flush=True)


if __name__ == "__main__":
    main()
