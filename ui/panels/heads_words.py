"""What the measures of the page "Heads" mean, in words."""

from __future__ import annotations

from analysis.measures import MEASURES
from viz.figures.measures_scale import title_of

_REPEATED = {
    "induction": "on a repeated random sequence: weight on the token after the earlier occurrence of the query's token",
    "duplicate": "on a repeated random sequence: weight on the earlier occurrence of the query's token",
    "previous_repeated": "on a repeated random sequence: weight on the token before the query",
}


def meaning_of(name: str) -> str:
    """Return what a measure is, with the range of its values; "" for a column that is no measure."""
    measure = MEASURES.get(name)
    return _REPEATED.get(name, "") if measure is None else f"{measure.meaning}. Range: {measure.range}"


def source_of(name: str) -> str:
    """Return the paper that defines a measure; "" if there is none."""
    return MEASURES[name].source if name in MEASURES else ""


def explain(*names: str) -> str:
    """Return one sentence for each measure: its title, and what it is."""
    return " ".join(f"**{title_of(name)}**: {meaning_of(name)}." for name in dict.fromkeys(names) if meaning_of(name))
