"""The page "Heads": measures of all heads of what the Inspect page reads, as a table and as pictures."""

from __future__ import annotations

import streamlit as st

from models import AttentionTrace
from ui.messages import guarded
from ui.panels.causes import show_changes
from ui.panels.causes_traces import Traced
from ui.panels.heads_chosen import head_controls, show_like
from ui.panels.heads_export import export_controls
from ui.panels.heads_find import find, find_controls
from ui.panels.heads_measured import Measured, measured
from ui.panels.heads_open import go_if_asked
from ui.panels.heads_pictures import fit_choices, show_grid, show_map, show_scatter
from ui.panels.heads_python import show_python
from ui.panels.heads_repeated import repeated_controls, with_repeated
from ui.panels.heads_table import show_table
from ui.panels.on_demand import result_on_demand
from ui.panels.reading import show_about_address, show_reading
from ui.panels.selection import choose_kind
from ui.panels.trace_details import save_controls
from ui.panels.trace_file import Shown, choose_source
from ui.services.head_numbers import HeadNumbers
from ui.state.heads import HEADS


def page() -> None:
    """Show what is read, then the numbers of all heads."""
    notices = HEADS.restore()
    go_if_asked()
    row = st.container(key="model-row", horizontal=True, vertical_alignment="center", gap="small")
    shown = choose_source(row, "Heads")
    above = st.container()
    if shown.model is None and shown.opened is None:
        HEADS.publish()
        return
    with above:
        trace, both = show_reading(shown, [*notices, *shown.notices], verb="Measure", all_lines=True, has_trust=False)
    if trace is None:
        HEADS.publish()
        return
    with row:
        att = choose_kind(trace)
    save_controls(shown, trace)
    with above:
        what = measured(shown.model, att)
        numbers = result_on_demand(what.numbers())
    if numbers is None:
        HEADS.publish()
        return
    _numbers(shown, trace, both, what, numbers)


@st.fragment
@guarded
def _numbers(shown: Shown, trace: AttentionTrace, both: Traced | None, what: Measured, numbers: HeadNumbers) -> None:
    """Show the numbers; a choice among them runs this part alone."""
    go_if_asked()
    numbers = with_repeated(what.model, what.att, numbers)
    fit_choices(numbers.table)
    if both is not None:
        show_changes(both)
    row = st.container(key="find-row", horizontal=True, vertical_alignment="bottom", gap="small")
    find_controls(row, numbers.table)
    found = find(numbers.table)
    grid, scatter, places = st.columns(3, gap="medium")
    with places:
        distances = show_map(what.distances(), numbers, found)
    with grid:
        show_grid(numbers, found)
    with scatter:
        show_scatter(numbers, found)
    with row:
        export_controls(what, numbers, distances, found)
    head_controls(numbers)
    show_like(distances)
    repeated_controls(what.model, what.att)
    show_table(numbers, found)
    show_python(shown, what)
    show_about_address(shown, trace)
    HEADS.publish()


page()
