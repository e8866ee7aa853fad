"""What went wrong, as one sentence for the visitor; the details are for the log."""

from __future__ import annotations

from models import HeadlightError
from ui.caches import log


def sentence(error: Exception, doing: str) -> str:
    """Return a refusal as it is, and of an error that nobody expected only that there was one."""
    if isinstance(error, HeadlightError):
        log.info("%s: %s", doing, error)
        return str(error)
    log.error("%s failed", doing, exc_info=error)
    return "Something went wrong that Headlight did not expect; the details are in the server's log. Try another text."
