"""Measures of heads: one definition each, as tables (docs/decisions/0026)."""

from analysis.measures.definitions import FIGURES, MEASURES, NUMBERS, Measure
from analysis.measures.distance import head_distance, head_map, nearest_heads
from analysis.measures.find import find_heads
from analysis.measures.induction import induction_table
from analysis.measures.patterns import label_patterns
from analysis.measures.tables import head_row, head_table
from analysis.measures.texts import head_table_of_texts

__all__ = [
    "FIGURES",
    "MEASURES",
    "NUMBERS",
    "Measure",
    "find_heads",
    "head_distance",
    "head_map",
    "head_row",
    "head_table",
    "head_table_of_texts",
    "induction_table",
    "label_patterns",
    "nearest_heads",
]
