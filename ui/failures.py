"""What went wrong, as one sentence for the visitor; the details are for the log."""

from __future__ import annotations

from models import HeadlightError
from ui.caches import log

# What helps against an unexpected failure depends on what failed: the first word of what was being done.
_REMEDIES = {
    "opening": "Choose another model, or try again.",
    "replaying": "Choose another task, or train it yourself.",
    "tracing": "Try another text.",
    "looking": "Try another text or head.",
    "starting": "Try other settings.",
    "resuming": "Start a new training.",
}


def sentence(error: Exception, doing: str) -> str:
    """Return a refusal as it is, and of an error that nobody expected what failed, and what may help.

    `doing` says what was being done, as in "opening 'minilm'" or "tracing": it goes into the log, its first word
    into the sentence.
    """
    if isinstance(error, HeadlightError):
        log.info("%s: %s", doing, error)
        return str(error)
    log.error("%s failed", doing, exc_info=error)
    remedy = _REMEDIES.get(doing.split(" ", 1)[0], "Try again.")
    return f"Something went wrong that Headlight did not expect; the details are in the server's log. {remedy}"
