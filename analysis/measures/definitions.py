"""What each measure of a head is: its title, its meaning, its range and its source. One definition each."""

from __future__ import annotations

from typing import NamedTuple


class Measure(NamedTuple):
    """One measure: `title` names it, `meaning` defines it, `unit` is "", "bits" or "tokens", `range` its values."""

    title: str
    meaning: str
    range: str
    source: str
    unit: str = ""


CLARK = "Clark et al. (2019), What Does BERT Look At?"
VIG = "Vig and Belinkov (2019), Analyzing the Structure of Attention in a Transformer Language Model"
GU = "Gu et al. (2024), When Attention Sink Emerges in Language Models"
KOVALEVA = "Kovaleva et al. (2019), Revealing the Dark Secrets of BERT"
ELHAGE = "Elhage et al. (2021), A Mathematical Framework for Transformer Circuits"
VOITA = "Voita et al. (2019), Analyzing Multi-Head Self-Attention"
SHARE = "0 to 1"

# The columns of `head_table`, in their order. All are means over queries, without hidden queries and empty rows.
MEASURES: dict[str, Measure] = {
    "entropy_bits": Measure(
        "Entropy", "mean entropy of the rows in bits; 0 = one key takes all", "0 to log2 of the keys", CLARK, "bits"
    ),
    "mean_distance": Measure(
        "Mean distance",
        "mean distance from query to key in tokens, weighted by attention",
        "0 to the tokens less 1",
        VIG,
        "tokens",
    ),
    "confidence": Measure("Confidence", "mean of the largest weight of each row", SHARE, VOITA),
    "first": Measure("First token", "share of attention on the first position", SHARE, CLARK),
    "separator": Measure(
        "Separators", "share of attention on special tokens after the first, such as [SEP]", SHARE, CLARK
    ),
    "punctuation": Measure(
        "Punctuation", "share of attention on tokens of punctuation marks, after the first token", SHARE, CLARK
    ),
    "previous": Measure("Previous token", "share of attention on the position before the query", SHARE, CLARK),
    "next": Measure("Next token", "share of attention on the position after the query", SHARE, CLARK),
    "self": Measure("Itself", "share of attention on the query's own position", SHARE, CLARK),
    "same_token": Measure(
        "Other occurrences",
        "share of attention on other positions with the same token as the query, of queries that may attend to one",
        SHARE,
        ELHAGE,
    ),
    "sink": Measure(
        "Sink",
        "whether the first token gets more than 0.3 of the attention of the first 64 queries, on average",
        "yes or no",
        GU,
    ),
    "pattern": Measure(
        "Pattern",
        "the kind of position that takes over half of the attention",
        "diagonal, vertical, vertical + diagonal, broad or heterogeneous",
        f"{KOVALEVA}; {CLARK}",
    ),
}
# The measures that are numbers.
NUMBERS = tuple(name for name in MEASURES if name not in ("sink", "pattern"))
# The figures of a head on a page.
FIGURES = ("entropy_bits", "mean_distance", "first", "separator", "previous", "next", "self")
