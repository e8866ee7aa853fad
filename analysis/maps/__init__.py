"""Derived maps: attentions made of an attention by the methods of the literature (docs/decisions/0027)."""

from analysis.maps.attention_rollout import rollout
from analysis.maps.blanks import blank_out
from analysis.maps.derivation import derive
from analysis.maps.gradients import gradient_attention
from analysis.maps.maximum_flow import attention_flow
from analysis.maps.methods import METHODS, Method
from analysis.maps.papers import Paper
from analysis.maps.targets import targets_of
from analysis.maps.value_norms import value_weighted

__all__ = [
    "METHODS",
    "Method",
    "Paper",
    "attention_flow",
    "blank_out",
    "derive",
    "gradient_attention",
    "rollout",
    "targets_of",
    "value_weighted",
]
