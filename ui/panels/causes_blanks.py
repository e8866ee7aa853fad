"""Which words matter for the text that is shown: what the output loses without each, and what each map foretold."""

from __future__ import annotations

import html
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from analysis.maps import METHODS, blank_out
from analysis.maps.blanks import FLOW_SECONDS
from models import Attention, AttentionTrace, Model
from models.capture.cost import Estimate, readable_seconds
from ui.messages import escape_markdown
from ui.panels.causes_table import MOST_HEIGHT, ROW, offer_files, origin_of
from ui.panels.causes_traces import Traced
from ui.panels.export import short_model
from ui.panels.on_demand import Work, result_or_refusal
from ui.services.jobs import Jobs
from ui.services.settings import budget
from ui.services.traces import TraceRequest
from ui.state.inspect import INSPECT

BUTTON = "Which words matter here?"
TABLES_IN_MEMORY = 32
_BLANKS: Jobs[pd.DataFrame] = Jobs(TABLES_IN_MEMORY, lambda: float("inf"))
# A pass for the gradient takes about four, and the trace and its norms two more.
OTHER_PASSES = 6
# What comparing the maps takes beside the flow: the ranks, and what the first comparison of a server imports.
COMPARISON_SECONDS = 0.5
# The single passes of a short text take longer for each layer than their products: 1.4 s to 2.1 s in all with 30 layers
# and 14 tokens, 0.3 s with 6.
SECONDS_PER_LAYER = 0.04


def blank_out_controls(model: Model, traced: Traced) -> None:
    """Offer to mask each token of the text in turn, and show what was found beside the maps."""
    st.markdown("**All words, one at a time**")
    # The answer to the text itself: after a continuation, the next token would be another one.
    request = replace(traced.request, generate=0)
    table = result_or_refusal(lambda: _work(model, request, traced.untouched))
    if table is None:
        return
    st.caption(escape_markdown(describe_blanks(table)))
    st.html(coloured_words(table))
    methods = [name for name in METHODS if name in table]
    columns = {name: st.column_config.NumberColumn(METHODS[name].title, format="%.3g") for name in methods}
    columns["effect"] = st.column_config.NumberColumn("Effect", format="%.4f")
    rows = table.sort_values("effect", ascending=False)[["token", "effect", *methods]]

    def chosen() -> None:
        numbers = st.session_state["blanks table"].selection.rows
        if numbers and 0 <= numbers[0] < len(rows):
            INSPECT.select(token=f"key:{rows.index[numbers[0]]}", partner="", unit="pieces")

    st.dataframe(
        rows,
        key="blanks table",
        column_config=columns,
        width="content",
        height=min(MOST_HEIGHT, ROW * (len(rows) + 1) + 3),
        on_select=chosen,
        selection_mode="single-row",
    )
    name = f"{short_model(traced.untouched.source)}-words-masked"
    attributes = {each: table.attrs[each] for each in ("rank_correlation", "reads", "gradient_of", "left_out")}
    first = traced.untouched[traced.untouched.kinds[0]]
    offer_files(name, table, origin_of(first, "words-effects", attributes))


def coloured_words(table: pd.DataFrame) -> str:
    """Return the text as HTML, each token coloured by what the output loses without it, with what the colours mean."""
    effect = table["effect"].to_numpy()
    most = float(np.nanmax(np.abs(effect), initial=0.0)) or 1.0
    items = []
    for position, (token, value) in enumerate(zip(table["token"], effect, strict=True)):
        known = np.isfinite(value)
        share, sign = (abs(value) / most if known else 0.0), "gain" if known and value < 0 else "loss"
        said = f"position {position}, effect {value:.4g}" if known else f"position {position}, not defined"
        shown = html.escape(str(token))
        items.append(f'<span class="{sign}" style="--share:{share:.3f}" title="{said}">{shown}</span>')
    gains = ", orange: it gains" if (effect < 0).any() else ""
    about = f"Blue: the output loses without the token{gains}. The darkest is {most:.3g}."
    return (
        f'<div class="effects"><p class="text">{"".join(items)}</p>'
        f'<p class="about">{about} The table has the numbers; a row of it locks the token in the pictures.</p></div>'
    )


def describe_blanks(table: pd.DataFrame) -> str:
    """Return in words which token matters most, and how well each map foretells the order of the effects."""
    effect = table["effect"].dropna()
    if effect.empty:
        return "No effect is defined here."
    place = int(effect.index[int(effect.argmax())])
    rho = table.attrs["rank_correlation"]
    known = sorted((name for name in rho if np.isfinite(rho[name])), key=lambda name: -rho[name])
    order = ", ".join(f"{METHODS[name].title.lower()} {rho[name]:.2f}" for name in known)
    foretold = f"Rank correlation of each map with the effects (Spearman): {order}." if known else ""
    left_out = " ".join(f"{METHODS[name].title}: {why}" for name, why in table.attrs["left_out"].items())
    return " ".join(
        filter(
            None,
            (
                f"Each token is masked in turn. The output moves most without “{table['token'][place]}” "
                f"(position {place}, {effect[place]:.3g}).",
                foretold,
                left_out,
            ),
        )
    )


def _work(model: Model, request: TraceRequest, trace: AttentionTrace) -> Work[pd.DataFrame]:
    """Return the work that masks each token of the text of a trace.

    Raises:
        HeadlightError: it would take more than the server's budget.
    """
    one, allowed = request.estimate(model), budget()
    seconds = (one.n_tokens + OTHER_PASSES) * one.seconds + seconds_of_comparison(trace[trace.kinds[0]])
    allowed.admit(Estimate(one.n_tokens, one.n_bytes, seconds))
    given = request.given()
    return Work(
        _BLANKS,
        (request, "blank out"),
        lambda progress: blank_out(model, progress=progress, budget=allowed, **given),
        BUTTON,
        "Runs the model without your changes once for each token, and compares every map with what is found: "
        f"{'less than a second' if seconds < 1 else f'at most about {readable_seconds(seconds)}'}.",
        "percent",
        seconds,
    )


def seconds_of_comparison(att: Attention) -> float:
    """Return about how long the maps of an attention take at most in addition to the passes.

    The flow takes longest, if it is not left out.
    """
    flow = METHODS["flow"].estimate(att).seconds / att.n_layers
    if att.kind == "decoder":
        flow /= att.n_query  # only the last position answers
    return COMPARISON_SECONDS + SECONDS_PER_LAYER * att.n_layers + (flow if flow <= FLOW_SECONDS else 0.0)
