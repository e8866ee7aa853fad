"""The traces of the chosen text without and with the visitor's changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.causes import difference
from models import Attention, AttentionTrace, Model
from ui.messages import describe_error
from ui.panels import trace_request
from ui.panels.causes_changes import drop_strikes_of_other_text, fitted_changes
from ui.services.attention_cache import cached
from ui.services.traces import TraceRequest, traces
from ui.state.inspect import INSPECT


@dataclass(frozen=True)
class Traced:
    """What the page shows: `changed` is None without changes, or if they failed, which `failure` says in a sentence.

    `request` is the one of `untouched`, the same text without changes. While the trace of a text is not there yet,
    `untouched` is the one that was shown before, and `is_old`.
    """

    request: TraceRequest
    untouched: AttentionTrace
    changed: AttentionTrace | None = None
    failure: str = ""
    is_old: bool = False

    @property
    def trace(self) -> AttentionTrace:
        """The trace whose maps the visitor wants to see."""
        return self.untouched if self.changed is None or INSPECT.current().before == "on" else self.changed

    def difference(self, kind: str) -> Attention | None:
        """Return how far the changes moved each weight of a kind, if the visitor wants to see that."""
        changed = self.changed
        if changed is None or INSPECT.current().before != "difference":
            return None
        return cached(changed[kind], ("difference",), lambda: difference(self.untouched[kind], changed[kind]))


def traced(model: Model) -> Traced | None:
    """Return the traces of the chosen text. While there are none, say why and return the previous one, if any.

    Raises:
        HeadlightError: why the text cannot be traced, in one sentence.
    """
    request = trace_request.build_request(model)
    drop_strikes_of_other_text(request)
    untouched = _finished(request)
    if untouched is None:
        shown = trace_request.trace(model, request)
        untouched = _finished(request)
        if untouched is None:
            return None if shown is None else Traced(request, shown, is_old=True)
    heads, positions = fitted_changes(model, untouched)
    changed = replace(request, ablate=heads, mask=positions)
    try:
        # Without changes, this notes what is shown.
        shown = trace_request.trace(model, changed)
    except BaseException as error:
        return Traced(request, untouched, failure=describe_error(error, "tracing"))
    if shown is None:
        return None
    after = _finished(changed)
    if after is None:
        return Traced(request, shown, is_old=True)
    return Traced(request, untouched, None if changed == request else after)


def _finished(request: TraceRequest) -> AttentionTrace | None:
    """Return the trace of a request if it is in memory."""
    job = traces().find(request)
    return job.result() if job is not None and job.finished and not job.failed else None
