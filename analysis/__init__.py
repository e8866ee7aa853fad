"""Attention to numbers: what heads do, as tables. Imports nothing of plots or pages."""

from analysis.attention_measures import MEASURES, head_measures, measures
from analysis.attention_shares import Shares, shares
from analysis.head_set import HeadSet
from analysis.heads import heads_for_pair, heads_for_pairs, heads_for_token
from analysis.pairs import kept_mass, strongest_pairs, visible_pairs

__all__ = [
    "MEASURES",
    "HeadSet",
    "Shares",
    "head_measures",
    "heads_for_pair",
    "heads_for_pairs",
    "heads_for_token",
    "kept_mass",
    "measures",
    "shares",
    "strongest_pairs",
    "visible_pairs",
]
