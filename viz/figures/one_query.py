"""What figures of one query have in common: a picture, a signal or a sound, and what one query attends to in it."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from analysis.selection import Selection
from viz.figures.base import Figure, Subject, name_heads
from viz.options import DrawOptions


class QueryView(Protocol):
    """The data of one query; `query` is its position, None for the mean of all queries."""

    @property
    def title(self) -> str:
        """The title of the head and the query."""
        ...

    @property
    def query(self) -> int | None:
        """The position of the query."""
        ...


View = TypeVar("View", bound=QueryView)


class OneQuery(Figure[View], Generic[View]):
    """A figure of one query of one head."""

    def heading(self, view: View) -> str:
        """Return the title of the head and the query."""
        return view.title

    def transformations(self, view: View) -> dict[str, Any]:
        """Return the query that was drawn."""
        return (
            {"token": "", "pooling": "mean of all queries"} if view.query is None else {"token": f"query:{view.query}"}
        )

    def contents(self, subject: Subject, selection: Selection, options: DrawOptions) -> str:
        """Return that there is one query."""
        subject, selection = self.apply(subject, selection, options)
        return f"It contains one query of {name_heads(subject.att, selection)}."
