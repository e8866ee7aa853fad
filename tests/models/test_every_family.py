"""Every family of docs/families.md, built small: captured weights are the model's own, and they are what it uses."""

from __future__ import annotations

import functools

import pytest

from models.errors import NoAttention
from tests.models.zoo import table
from tests.models.zoo.compare import TOLERANCE, examine

TRACED = table.read("Traced")
REFUSED = table.read("Refused")
# One of each way and modality, for the quick check; the others are slow as a crowd, not one by one.
SAMPLE = {"bert", "llama", "gpt_oss", "gemma2", "t5", "deberta-v2", "bloom", "xlnet", "vit", "whisper", "wav2vec2"}
FEWEST = 60
# Worst difference of the traced forward's output from the plain one's. Measured: 0, equal to the bit, for nearly every
# family, 1.5e-6 where a part has no SDPA of its own; other processors may choose other kernels.
OUTPUT = 2e-5


def families(names) -> list:
    return [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in names]


examined = functools.cache(examine)


def test_at_least_sixty_families_of_text_vision_and_speech_are_traced():
    assert len(TRACED) >= FEWEST
    assert set(TRACED) >= SAMPLE
    for modality in ("text", "vision", "speech"):
        assert sum(cells[2] == modality for cells in TRACED.values()) >= 10


@pytest.mark.parametrize("family", families(TRACED))
def test_captured_weights_equal_eager_ones(family):
    found = examined(family)
    assert found.capture in ("replayed", "materialised")
    assert found.difference <= (TOLERANCE if found.capture == "replayed" else 0)
    # A row's largest weight, on average: neither uniform attention, in which a wrong scale hides, nor one-hot.
    assert 0.04 < found.peak < 0.97
    assert found.output <= OUTPUT


@pytest.mark.parametrize("family", families(TRACED))
def test_the_page_says_what_a_run_gives(family):
    assert table.row(examined(family))[:6] == TRACED[family][:6]


@pytest.mark.parametrize("family", families(TRACED))
def test_replacing_the_captured_attention_changes_the_output(family):
    assert examined(family).changed > 1e-3


@pytest.mark.parametrize("family", families(REFUSED))
def test_refused_families_are_refused_with_a_sentence(family):
    with pytest.raises(NoAttention):
        examine(family)
