"""Causes: what the output loses without a head or a word."""

from analysis.causes.moved_weights import difference
from analysis.causes.tables import effects, token_effects

__all__ = ["difference", "effects", "token_effects"]
