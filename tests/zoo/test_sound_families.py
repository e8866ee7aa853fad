"""Every family of sounds of docs/families.md, opened as a visitor opens it: its weights are the model's own."""

from __future__ import annotations

import pytest

from models.errors import HeadlightError
from tests.helpers.rounding import OF_PASSES
from tests.zoo import sounds, table
from tests.zoo.compare import TOLERANCE

pytestmark = pytest.mark.slow

TRACED = table.read("Sounds")
REFUSED = table.read("Sounds that are refused")
UNTRIED = table.read("Sounds that were not tried")
# One of each way: samples with an encoder, samples and spectrograms with a decoder, patches, a codec.
SAMPLE = {"wav2vec2", "moonshine", "speech_to_text", "audio-spectrogram-transformer", "encodec"}
# The models' published frames.
SECONDS = {
    "whisper": "0.02 s",
    "wav2vec2": "0.02 s",
    "hubert": "0.02 s",
    "sew": "0.04 s",
    "moonshine": "0.024 s",
    "speech_to_text": "0.04 s",
    "parakeet_encoder": "0.08 s",
    "wav2vec2-bert": "0.02 s",
}


def families(names) -> list:
    return [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.slow) for name in names]


def test_the_page_names_every_family_of_sounds_once():
    assert sorted([*TRACED, *REFUSED, *UNTRIED]) == sorted([*sounds.families(), *sounds.OTHERS])
    assert len(TRACED) >= 20
    assert {name: TRACED[name][5] for name in SECONDS} == SECONDS


@pytest.mark.parametrize("family", families(TRACED))
def test_every_weight_is_the_models_own(family, tmp_path):
    found, cells = sounds.examine(family, tmp_path / family), TRACED[family]
    assert (found.architecture, found.capture, str(found.n_frames)) == (cells[1], cells[2], cells[4])
    assert found.difference <= (OF_PASSES if found.capture == "replayed" else TOLERANCE)


@pytest.mark.parametrize("family", families(REFUSED))
def test_refused_families_are_refused_with_the_sentence_on_the_page(family, tmp_path):
    with pytest.raises(HeadlightError) as caught:
        sounds.examine(family, tmp_path / family)
    assert str(caught.value) == REFUSED[family][1]
