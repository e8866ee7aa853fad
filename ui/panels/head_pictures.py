"""The attention of the selected head on a picture or a signal."""

from __future__ import annotations

import streamlit as st

from analysis.selection import Selection
from ui.components import chart
from ui.messages import escape_markdown
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.patches import Patches
from viz.figures.signal import Signal
from viz.figures.sound import SoundFigure

BESIDE_HEIGHT = 250
_FOLLOWS = (
    "Dark patches get no attention. Without a locked query it is the last token, which the model reads to "
    "write the next; lock another one below."
)
_ELSEWHERE = "The strongest pairs are in the table, all of them in the CSV file under Export."


def show_patches(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show what the locked query attends to, else the usual one, as light on the picture."""
    figure, (layer, head) = Patches(), selection.of_one_head()
    view = figure.view(subject, selection, options)
    drawn = figure.to_plotly(view, options)
    says = f"The picture in the light of layer {layer}, head {head}. {_ELSEWHERE}"
    if subject.att.kind == "encoder":
        chart(drawn, "patches", says)
        st.caption("Dark patches get no attention. Lock a query to see what that patch attends to.")
        return
    # The instrument below shows the text; the picture stands beside what is said of it, so that both fit on a screen.
    drawn.update_layout(title_text="", height=BESIDE_HEIGHT, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    picture, words = st.columns([1, 3], vertical_alignment="center")
    with picture:
        chart(drawn, "patches", says)
    with words:
        st.markdown(f"**{escape_markdown(view.title)}**")
        st.caption(f"{escape_markdown(view.note)}. {_FOLLOWS}")


def show_signal(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show what the locked query attends to, else the last one, over the signal."""
    figure, (layer, head) = Signal(), selection.of_one_head()
    drawn = figure.to_plotly(figure.view(subject, selection, options), options)
    chart(drawn, "signal", f"The signal with the attention of layer {layer}, head {head}. {_ELSEWHERE}")
    st.caption("Lock a query to see what that position attends to.")


def show_sound(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show when the locked query listens, else the first that is no special token, over the waveform of the sound."""
    figure, (layer, head) = SoundFigure(), selection.of_one_head()
    drawn = figure.to_plotly(figure.view(subject, selection, options), options)
    chart(drawn, "sound chart", f"The sound with the attention of layer {layer}, head {head}. {_ELSEWHERE}")
    st.caption("Lock a query to see when it listens.")
