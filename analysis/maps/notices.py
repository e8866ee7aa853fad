"""What a reader must know of the rows of a map, in sentences."""

from __future__ import annotations

from models import Attention

UNNORMALISED = (
    "Rows do not sum to 1: each weight is multiplied by the length of the vector that it lets through. "
    "Give normalise=True to divide each row by its sum."
)
FLOWS = "Rows do not sum to 1: each number is a maximum flow on its own."
MAXIMUM = "Rows do not sum to 1: the maximum of several heads is taken in each layer."
NORMALISED = "Each row is divided by its sum."


def describe_sums(att: Attention, heads: str) -> tuple[str, ...]:
    """Return what is to be said of the sums of a rollout's rows."""
    return (MAXIMUM,) if heads == "maximum" and att.n_heads > 1 else ()
