"""Every family of docs/families.md, built small: captured weights are the model's own, and they are what it uses."""

from __future__ import annotations

import pytest
import transformers
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

from models.errors import NoAttention
from models.picture_layouts import LAYOUTS
from tests.zoo import gradients, pictures, projections, table
from tests.zoo.compare import TOLERANCE, examine, pair_of
from tests.zoo.disturbed import disturbance

TRACED = table.read("Traced")
REFUSED = table.read("Refused")
# One of each way and modality, for the quick check; the others are slow as a crowd, not one by one.
SAMPLE = {"bert", "llama", "gpt_oss", "gemma2", "t5", "deberta-v2", "bloom", "xlnet", "vit", "whisper", "wav2vec2"}
FEWEST = 300
# Worst difference of the traced forward's output from the plain one's. Measured: 0, equal to the bit, for nearly every
# family, 1.5e-6 where a part has no SDPA of its own; other processors may choose other kernels.
OUTPUT = 2e-5


def families(names) -> list:
    return [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in names]


def test_hundreds_of_families_of_text_vision_and_speech_are_traced():
    assert len(TRACED) >= FEWEST
    assert set(TRACED) >= SAMPLE
    for modality in ("text", "vision", "speech"):
        assert sum(cells[2] == modality for cells in TRACED.values()) >= 10


def test_the_page_names_every_architecture_of_this_transformers_once():
    named = [*TRACED, *REFUSED, *table.read("Not tried")]
    assert sorted(named) == sorted(MODEL_MAPPING_NAMES)
    assert f"transformers {transformers.__version__}" in table.PAGE.read_text(encoding="utf-8")


def test_the_page_says_of_every_family_whether_its_pictures_are_read():
    cells = table.read(pictures.TITLE)
    assert sorted(cells) == sorted(LAYOUTS)
    assert pictures.not_read().strip() in table.PAGE.read_text(encoding="utf-8")
    # Rounded up to a power of ten. The vision encoder is computed by SDPA in our pass, by eager attention in the other.
    assert all(float(each[-1]) <= 1e-5 for each in cells.values())


def test_the_page_says_which_families_have_no_value_weighted_map():
    n_replayed = sum(cells[3] == "replayed" for cells in TRACED.values())
    assert projections.section(n_replayed) in table.PAGE.read_text(encoding="utf-8")
    assert all(TRACED[family][3] == "replayed" for family in projections.UNKNOWN)


@pytest.mark.parametrize("family", families(TRACED))
def test_captured_weights_are_those_that_the_model_uses(family):
    """One test for all that a family is asked: to build and run its models takes the time."""
    pair = pair_of(family)
    found, cells = examine(pair), TRACED[family]
    assert found.capture in ("replayed", "materialised")
    assert found.difference <= (TOLERANCE if found.capture == "replayed" else 0)
    # Neither uniform in any layer, in which a wrong scale would hide, nor one-hot. Measured: 0.052 at least,
    # and 0.88 at most, where the scores of Dots and Gemma 4 are not divided by the root of the width.
    assert found.spread > 0.03
    assert found.peak < 0.95
    assert found.output <= OUTPUT
    # Other weights in their place change the output. Measured: 0.21 at least, of outputs with a deviation about 1.
    assert found.changed > 0.05
    # The page says so. Measured: the differences are the same to the bit on the machine that wrote the page.
    assert table.row(found)[:5] == cells[:5]
    assert abs(found.difference - float(cells[5])) <= TOLERANCE
    # Heads pass on vectors of their own if one projection reads their output as it is.
    if found.capture == "replayed":
        assert projections.reader(pair) == projections.UNKNOWN.get(family, "")
    # A long pass lets a shorter one of the same model run between its layers (models/capture/turns.py).
    n_between, difference = disturbance(pair, found.capture)
    assert n_between >= 1
    assert difference == 0


@pytest.mark.parametrize("family", families(REFUSED))
def test_refused_families_are_refused_with_a_sentence(family):
    with pytest.raises(NoAttention):
        examine(pair_of(family))


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(name for name in SAMPLE if TRACED[name][3] == "replayed"))
def test_gradients_of_weights_are_those_of_eager_attention(family):
    # Measured for 274 of the 276 replayed families: the same to the bit, or 5e-7 at most. DPR's base gives no hidden
    # states, and HRM computes without gradients.
    assert gradients.difference(pair_of(family)) < 1e-5
