"""The attention of the selected head on a picture or a signal."""

from __future__ import annotations

import streamlit as st

from analysis.selection import Selection
from ui.components import chart
from viz import DrawOptions
from viz.figures.base import Subject
from viz.figures.patches import Patches
from viz.figures.signal import Signal
from viz.figures.sound import SoundFigure

_ELSEWHERE = "The strongest pairs are in the table, all of them in the CSV file under Export."


def show_patches(subject: Subject, selection: Selection, options: DrawOptions) -> None:
    """Show what the locked query attends to, else the usual one, as light on the picture."""
    figure, (layer, head) = Patches(), selection.of_one_head()
    drawn = figure.to_plotly(figure.view(subject, selection, options), options)
    chart(drawn, "patches", f"The picture in the light of layer {layer}, head {head}. {_ELSEWHERE}")
    what = "that patch" if subject.att.kind == "encoder" else "that token"
    st.caption(f"What gets no attention lies in the dark. Lock a query to see what {what} attends to.")


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
