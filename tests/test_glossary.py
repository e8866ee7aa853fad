"""The glossary has one entry for each word."""

from collections import Counter

from tests.helpers.paths import ROOT

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()


def test_each_word_is_explained_once():
    cells = [line.split("|")[1].strip() for line in GLOSSARY.splitlines() if line.startswith("| ")][1:]
    words = Counter(word.strip() for cell in cells if "[" not in cell for word in cell.split(","))
    assert len(words) > 40
    assert [word for word, n_entries in words.items() if n_entries > 1] == []
