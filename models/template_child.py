"""The child process of models/chat_template.py: a program that renders chat templates, not a module to import.

Each line of its input is the arguments of transformers' own renderer in JSON, or empty. It answers with a line of JSON:
`{"text": ...}`, or `{"problem": ...}` if the template fails.
"""

import json
import sys
from contextlib import suppress
from typing import Any

# A text that a template makes longer than any memory ends this process and not the server. Python and the library
# themselves take about a third of this.
MAX_BYTES = 1_500_000_000
# Above the most characters that are read, with the template's own.
MAX_CHARACTERS = 4_000_000


def limit_memory() -> None:
    """Let the system refuse memory above the limit, if it can (not on Windows)."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))


def answer(line: str) -> dict[str, str]:
    """Return the rendered text of a question, or why there is none."""
    from transformers.utils.chat_template_utils import render_jinja_template

    if not line.strip():
        return {"text": ""}
    asked: dict[str, Any] = json.loads(line)
    try:
        rendered: Any = render_jinja_template(conversations=[asked.pop("messages")], **asked)
    except MemoryError:
        return {"problem": "it needs too much memory"}
    except Exception as error:
        return {"problem": " ".join(str(error).split())[:300] or type(error).__name__}
    text = str(rendered[0][0])
    if len(text) > MAX_CHARACTERS:
        return {"problem": f"it makes {len(text):,} characters, expected {MAX_CHARACTERS:,} at most"}
    return {"text": text}


def main() -> None:
    """Answer until the input ends."""
    limit_memory()
    for line in sys.stdin:
        print(json.dumps(answer(line)), flush=True)


if __name__ == "__main__":
    main()
