"""The papers that describe the methods."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A paper: `str(paper)` is how a text names it, "Abnar and Zuidema 2020"; `link` is its address on arXiv."""

    authors: str
    year: int
    title: str
    arxiv: str

    def __str__(self) -> str:
        return f"{self.authors} {self.year}"

    @property
    def link(self) -> str:
        """The address of its abstract."""
        return f"https://arxiv.org/abs/{self.arxiv}"


VASWANI = Paper("Vaswani et al.", 2017, "Attention is all you need", "1706.03762")
KOBAYASHI = Paper(
    "Kobayashi et al.", 2020, "Attention is not only a weight: analyzing transformers with vector norms", "2004.10102"
)
ABNAR = Paper("Abnar and Zuidema", 2020, "Quantifying attention flow in transformers", "2005.00928")
CHEFER = Paper(
    "Chefer et al.",
    2021,
    "Generic attention-model explainability for interpreting bi-modal and encoder-decoder transformers",
    "2103.15679",
)
