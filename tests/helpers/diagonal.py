"""A figure as a contributor adds it: one file with one class. tests/viz/figures/test_registry.py registers it."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure as PaperFigure

from analysis.selection import Selection
from viz import colours
from viz.figures.base import Figure, Offer, Subject
from viz.labels import head_title
from viz.options import DrawOptions


@dataclass(frozen=True)
class DiagonalView:
    """What each query gives to its own position."""

    weights: np.ndarray
    title: str


class Diagonal(Figure[DiagonalView]):
    """The weights that tokens give to themselves, as bars."""

    name = "diagonal"
    help = "what each token of one head gives to itself"
    offers = (Offer("Diagonal of the chosen head"),)
    options = ("palette",)

    def make_view(self, subject: Subject, selection: Selection, options: DrawOptions) -> DiagonalView:
        layer, head = selection.of_one_head()
        weights = np.diagonal(subject.att.weights(layer, head))
        return DiagonalView(weights, head_title(subject.att, layer, head))

    def heading(self, view: DiagonalView) -> str:
        return view.title

    def to_plotly(self, view: DiagonalView, options: DrawOptions) -> go.Figure:
        return go.Figure(go.Bar(y=view.weights, marker_color=colours.line(options.palette)), {"title": view.title})

    def to_paper(self, view: DiagonalView, options: DrawOptions, width: float | None = None) -> PaperFigure:
        figure = PaperFigure()
        axes = figure.add_subplot()
        axes.bar(np.arange(len(view.weights)), view.weights, color=colours.line(options.palette))
        axes.set_title(view.title)
        return figure
