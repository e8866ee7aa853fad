"""Attention to numbers: what heads do, as tables. Imports nothing of plots or pages."""

from analysis.attention_shares import Shares, shares
from analysis.causes import difference, effects, token_effects
from analysis.head_set import HeadSet
from analysis.heads import heads_for_pair, heads_for_pairs, heads_for_token
from analysis.maps import (
    METHODS,
    Method,
    attention_flow,
    blank_out,
    derive,
    gradient_attention,
    rollout,
    targets_of,
    value_weighted,
)
from analysis.measures import (
    MEASURES,
    find_heads,
    head_distance,
    head_map,
    head_row,
    head_table,
    head_table_of_texts,
    induction_table,
    label_patterns,
    nearest_heads,
)
from analysis.pairs import kept_mass, strongest_pairs, visible_pairs
from analysis.trust import Finding, check_against_random, check_norms, check_trace, check_with_eager

__all__ = [
    "MEASURES",
    "METHODS",
    "Finding",
    "HeadSet",
    "Method",
    "Shares",
    "attention_flow",
    "blank_out",
    "check_against_random",
    "check_norms",
    "check_trace",
    "check_with_eager",
    "derive",
    "difference",
    "effects",
    "find_heads",
    "gradient_attention",
    "head_distance",
    "head_map",
    "head_row",
    "head_table",
    "head_table_of_texts",
    "heads_for_pair",
    "heads_for_pairs",
    "heads_for_token",
    "induction_table",
    "kept_mass",
    "label_patterns",
    "nearest_heads",
    "rollout",
    "shares",
    "strongest_pairs",
    "targets_of",
    "token_effects",
    "value_weighted",
    "visible_pairs",
]
