"""The panel "Can I trust this?": what the checks of a trace find, and buttons for those that take long."""

from __future__ import annotations

import html
from collections import Counter
from typing import Any

import streamlit as st

from analysis.trust import Finding, check_trace
from analysis.trust.finding import LEVELS, count, worst_first
from analysis.trust.survey import is_sampled
from models import AttentionTrace, Model
from models.capture.cost import readable_seconds
from ui.messages import describe_error, escape_markdown, guarded
from ui.panels.trace_file import Shown
from ui.panels.trace_request import UPDATE_SECONDS, show_progress_bar
from ui.services.attention_cache import cached
from ui.services.jobs import Job
from ui.services.traces import TraceRequest
from ui.services.trust import EVERY_ROW, LONG_CHECKS, Findings, LongCheck, find_check, forget_check, start_check
from ui.services.visitor import visitor

# A check that ends within this time is shown at once; after it the page shows its progress and Stop.
QUICK_SECONDS = 1.0
_HEADINGS = {"fault": "Faults", "warning": "Warnings", "note": "Good to know", "ok": "Nothing wrong"}
_ICONS = {"fault": ":material/error:", "warning": ":material/warning:"}


def trust_panel(shown: Shown, trace: AttentionTrace) -> None:
    """Show the findings of the quick checks and of those that were asked for; the label says the result."""
    findings = _findings(trace, shown.model)
    worst = findings[0].level if findings else "ok"
    # With a key: the label changes, and the visitor's open panel must stay open.
    with st.expander(_label(findings), icon=_ICONS.get(worst, ":material/verified_user:"), key="trust", type="compact"):
        st.html(_listed(findings))
        with st.container(key="trust-checks"):
            _long_checks(trace, shown.model)


def _findings(trace: AttentionTrace, model: Model | None) -> Findings:
    quick = cached(trace[trace.kinds[0]], "trust", lambda: check_trace(trace, model))
    found: list[Finding] = []
    for check in LONG_CHECKS:
        job = find_check(trace, check)
        if job is not None and job.finished and not job.failed:
            quick, found = (job.result(), found) if check.replaces else (quick, [*found, *job.result()])
    return worst_first([*found, *quick])


def _label(findings: Findings) -> str:
    counts = Counter(finding.level for finding in findings)
    bad = [count(counts[level], level) for level in ("fault", "warning") if counts[level]]
    notes = [count(counts["note"], "note")] if counts["note"] else []
    return f"Can I trust this? {', '.join(bad or ['No warnings', *notes])}"


def _listed(findings: Findings) -> str:
    """Return the findings as HTML, under a heading for each level."""
    groups = []
    for level in reversed(LEVELS):
        items = "".join(_item(finding) for finding in findings if finding.level == level)
        if items:
            groups.append(f'<h2>{_HEADINGS[level]}</h2><ul class="{level}">{items}</ul>')
    return f'<div class="trust" role="group" aria-label="What the checks found">{"".join(groups)}</div>'


def _item(finding: Finding) -> str:
    remedy = f" <em>{html.escape(finding.remedy)}</em>" if finding.remedy else ""
    name = html.escape(f"{finding.name[:1].upper()}{finding.name[1:]}")
    return f"<li><b>{name}.</b> {html.escape(finding.sentence)}{remedy}</li>"


def _long_checks(trace: AttentionTrace, model: Model | None) -> None:
    """Offer the checks that take long; show the progress of those that run, and why one failed."""
    offered = [check for check in LONG_CHECKS if _is_offered(check, trace, model)]
    running = [(check, job) for check in offered if (job := find_check(trace, check)) is not None and not job.finished]
    for check in offered:
        job = find_check(trace, check)
        if job is not None and job.failed:
            _show_failure(trace, check, job)
    waiting = [check for check in offered if find_check(trace, check) is None]
    if waiting:
        with st.container(horizontal=True, gap="small"):
            for check in waiting:
                st.button(
                    check.label,
                    key=f"trust {check.name}",
                    help=f"{check.help}{_how_long(check, trace, model)}",
                    on_click=_start,
                    args=(trace, model, check, _not_kept()),
                )
    for check, job in running:
        _show_progress(trace, check, job)


def _is_offered(check: LongCheck, trace: AttentionTrace, model: Model | None) -> bool:
    return is_sampled(trace) if check is EVERY_ROW else model is not None or not check.needs_model


def _how_long(check: LongCheck, trace: AttentionTrace, model: Model | None) -> str:
    if model is None or not check.passes:
        return ""
    n_tokens = sum({len(trace[kind].key_tokens) for kind in trace})
    return f" About {readable_seconds(check.passes * model.costs.estimate(n_tokens).seconds + 0.5)}."


def _not_kept() -> dict[str, Any]:
    """Return the picture or the sound of the trace that is shown, which a trace does not keep."""
    request = st.session_state.get("shown")
    if not isinstance(request, TraceRequest):
        return {}
    given = {"image": request.image, "audio": request.audio}
    return {name: value for name, value in given.items() if value is not None}


def _start(trace: AttentionTrace, model: Model | None, check: LongCheck, inputs: dict[str, Any]) -> None:
    start_check(trace, model, check, inputs, visitor()).wait(QUICK_SECONDS)


def _show_failure(trace: AttentionTrace, check: LongCheck, job: Job[Findings]) -> None:
    try:
        job.result()
    except BaseException as error:
        st.error(escape_markdown(describe_error(error, "checking the trace")), icon=":material/error:")
    forget_check(trace, check)  # another try may succeed


@st.fragment(run_every=UPDATE_SECONDS)
@guarded
def _show_progress(trace: AttentionTrace, check: LongCheck, job: Job[Findings]) -> None:
    """Show the progress of a check with a Stop button; rerun the page when it has ended."""
    if job.finished or job.stopped:
        st.rerun()
    job.watch(visitor())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        show_progress_bar(job, check.label, "layer")
        st.button("Stop", key=f"trust stop {check.name}", on_click=_stop, args=(trace, check))


def _stop(trace: AttentionTrace, check: LongCheck) -> None:
    job = find_check(trace, check)
    if job is not None:
        job.leave(visitor())
