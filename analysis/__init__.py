"""Attention to numbers: what one head does, as tables. Imports nothing of plots or pages."""

from analysis.attention_measures import MEASURES, head_measures, measures
from analysis.pairs import kept_mass, strongest_pairs, visible_pairs

__all__ = ["MEASURES", "head_measures", "kept_mass", "measures", "strongest_pairs", "visible_pairs"]
