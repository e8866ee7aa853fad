"""The child process of models/text_trial.py: a program that tries texts with a tokenizer, not a module to import.

The first line of its input is a tokenizer.json without its vocabulary; each later line is a text in JSON. It answers
each text with a line: empty if the tokenizer can read it, else the problem. It imports nothing of this project, so that
it starts fast.
"""

import json
import sys
from contextlib import suppress

from tokenizers import Tokenizer

# A text that a normalizer makes longer than any memory ends this process and not the server. Python and the library
# themselves take about a fifth of this.
MAX_BYTES = 1_000_000_000


def limit_memory() -> None:
    """Let the system refuse memory above the limit, if it can (not on Windows)."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))


def main() -> None:
    """Answer until the input ends."""
    limit_memory()
    tokenizer = Tokenizer.from_str(sys.stdin.readline())
    for line in sys.stdin:
        try:
            tokenizer.encode_batch([json.loads(line)], add_special_tokens=False)
            problem = ""
        except BaseException as error:  # a panic of the library's Rust code is not an Exception
            problem = " ".join(str(error).split())[:160] or type(error).__name__
        print(problem, flush=True)


if __name__ == "__main__":
    main()
