"""All quick checks of a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from analysis.trust.capture import check_capture, check_dropout
from analysis.trust.finding import Finding, worst_first
from analysis.trust.heads import check_heads
from analysis.trust.notices import check_notices
from analysis.trust.reading import check_order, check_special_tokens, check_template
from analysis.trust.rows import check_rows
from analysis.trust.sinks import check_sinks
from analysis.trust.survey import Look, Progress
from analysis.trust.text import check_case, check_padding, check_unknown
from analysis.trust.weights import check_embeddings, check_positions, check_rounding, check_scales, check_training
from models import AttentionTrace, Model
from models.arguments import checked

CHECKS: tuple[Callable[[Look], Iterator[Finding]], ...] = (
    check_notices,
    check_rows,
    check_capture,
    check_dropout,
    check_training,
    check_scales,
    check_embeddings,
    check_rounding,
    check_positions,
    check_order,
    check_special_tokens,
    check_template,
    check_unknown,
    check_padding,
    check_case,
    check_heads,
    check_sinks,
)


@checked
def check_trace(
    trace: AttentionTrace, model: Model | None = None, *, every_row: bool = False, progress: Progress | None = None
) -> tuple[Finding, ...]:
    """Return what the quick checks find, the worst first; `model` is None for a trace from a file.

    In a long text an even sample of the rows is read, or `every_row`. `progress(done, total)` is called after each
    layer, and may end the checks by an exception. `check_with_eager` and `check_against_random` find more, and run the
    model.
    """
    look = Look.of(trace, model, every_row=every_row, progress=progress)
    return worst_first(finding for check in CHECKS for finding in check(look))
