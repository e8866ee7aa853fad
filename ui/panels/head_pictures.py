"""The pictures of the selected head: token graph, heatmap, and attention on a picture or a signal."""

from __future__ import annotations

from functools import partial

import streamlit as st

from analysis.selection import Selection, TokenRef
from models.errors import BadSelection
from ui.components import chart, flow_graph
from ui.panels.measures import PAIRS
from ui.panels.regions import open_box
from ui.state.inspect import INSPECT
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.heatmap import Heatmap
from viz.figures.patches import Patches
from viz.figures.signal import Signal
from viz.figures.token_graph import TokenGraph

_ELSEWHERE = f"The {PAIRS} strongest pairs stand in the table, all of them in the CSV file under Export."


def _lock(token: str) -> None:
    try:
        TokenRef.parse(token)
    except BadSelection:  # none is locked, or a forged message
        token = ""
    INSPECT.update(token=token)


def show_token_graph(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show the lines of the selected head, and which part of it they are of."""
    layer, head = selection.of_one_head()
    st.markdown(f"## Token to token: layer {layer}, head {head}")
    figure = TokenGraph()
    view = figure.view(subject, selection, options)
    flow_graph(figure.to_wire(view, options), _lock)
    if view.region != selection.region_in(subject.att):
        st.caption(f"The flow shows {view.region.describe()}: open another region, or isolate a token elsewhere.")


def show_heatmap(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show the selected head; a box that the visitor draws opens its region."""
    att, (layer, head) = subject.att, selection.of_one_head()
    figure = Heatmap()
    drawn = figure.to_plotly(figure.view(subject, selection, options), options)
    drawn.layout.dragmode = "select"
    # What a visitor has zoomed to stays from head to head, as long as it is the same region of the same tokens.
    drawn.layout.uirevision = str(hash((att.query_tokens, att.key_tokens, str(selection.region or ""))))
    alt = f"Heatmap of layer {layer}, head {head}. {_ELSEWHERE}"
    chart(drawn, "heatmap", alt, buttons=True, on_box=partial(open_box, att))


def show_patches(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show what the isolated query attends to, else the first token that the model adds, as light on the picture."""
    figure, (layer, head) = Patches(), selection.of_one_head()
    drawn = figure.to_plotly(figure.view(subject, selection, options), options)
    chart(drawn, "patches", f"The picture in the light of layer {layer}, head {head}. {_ELSEWHERE}")
    st.caption("What gets no attention lies in the dark. Isolate a query to see what that patch attends to.")


def show_signal(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show what the isolated query attends to, else the last one, over the signal."""
    figure, (layer, head) = Signal(), selection.of_one_head()
    drawn = figure.to_plotly(figure.view(subject, selection, options), options)
    chart(drawn, "signal", f"The signal with the attention of layer {layer}, head {head}. {_ELSEWHERE}")
    st.caption("Isolate a query to see what that position attends to.")
