"""The picture over a sound: weights at their times, the padding told, the waveform behind."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import models
import viz
from analysis.selection import Selection
from models.errors import BadSelection
from tests.helpers.sound_models import TARGET, save_whisper, vowels
from tests.zoo import sounds
from viz.figures.sound import LEAST_SECONDS, MOST_POINTS, envelope, sound_view
from viz.options import DrawOptions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    model = models.load_model(save_whisper(tmp_path_factory.mktemp("sound") / "whisper"))
    return model.trace(audio=vowels(1.21), target=TARGET, src_lang="en")


def test_weights_are_those_of_the_query_at_their_times(trace):
    att = trace["cross"]
    view = sound_view(att, Selection.parse(1, 3, token="query:6"))
    whole = att.weights(1, 3, slice(6, 7))[0]
    assert np.array_equal(view.weight, whole[:61])  # 61 frames of 20 ms begin before 1.21 s
    assert view.start[[0, 1, 60]].tolist() == [0.0, 0.02, 1.2]
    assert view.title == "Layer 1, head 3, cross attention: lo"
    at = int(whole[:61].argmax())
    assert view.note == (
        f"strongest at {0.02 * at:.2f} s ({whole[at]:.3f}); {whole[61:].sum():.0%} of its attention is on what follows "
        "the sound's end"
    )


def test_without_a_token_the_first_that_is_no_special_one_listens(trace):
    assert sound_view(trace["cross"], Selection.parse(0, 0)).query == 4
    assert sound_view(trace["encoder"], Selection.parse(0, 0)).query == 0


def test_words_listen_with_the_mean_of_their_pieces(trace):
    att = trace["cross"]
    words = att.words()
    figure = viz.sound(words, 1, 3, token="query:4")
    pieces = words.pieces[0][4]
    assert len(pieces) > 1
    expected = np.mean([att.weights(1, 3, slice(piece, piece + 1))[0, :61] for piece in pieces], axis=0)
    assert np.allclose(figure.data[-1].y, expected, atol=1e-7)


def test_the_waveform_is_the_lowest_and_highest_sample_of_each_moment(trace):
    sound = trace["cross"].annotations["sound"]
    time, lowest, highest = envelope(sound)
    size = round(LEAST_SECONDS * sound.rate)
    assert len(time) == -(-len(sound.samples) // size) <= MOST_POINTS
    assert (lowest[3], highest[3]) == (
        sound.samples[3 * size : 4 * size].min(),
        sound.samples[3 * size : 4 * size].max(),
    )
    assert time[3] == pytest.approx(3 * LEAST_SECONDS)


@pytest.mark.parametrize("file_format", ["png", "svg", "pdf", "html"])
def test_it_is_exported_with_its_origin(file_format, trace):
    made = viz.export(trace["cross"], "sound", file_format, layer=1, head=3, token="query:6")
    assert made.origin["source"]["audio"] == trace.source.audio
    assert made.origin["transformations"]["token"] == "query:6"
    if file_format == "png":
        picture = np.asarray(Image.open(io.BytesIO(made.data)).convert("RGB")).astype(int)
        blue = (picture[..., 2] - picture[..., 0] > 60).mean()
        grey = (np.abs(picture - [185, 190, 198]).max(-1) < 12).mean()
        assert blue > 0.01
        assert grey > 0.02


def test_other_attention_is_refused(trace):
    with pytest.raises(BadSelection, match="Only the attention on a sound has times"):
        viz.sound(trace["decoder"], 0, 0)
    with pytest.raises(BadSelection, match="Only the attention on a sound has times"):
        viz.sound(models.load_model("minilm").trace("Hello there")["encoder"], 0, 0)


def test_key_labels_are_times_in_every_figure(trace):
    figure = viz.heatmap(trace["cross"], 1, 3, region="0-15:0-60", options=DrawOptions())
    assert "0.06 s" in str(figure.layout) + str(figure.data)


def test_bands_of_a_spectrogram_are_added_at_each_time(tmp_path):
    sounds.save("audio-spectrogram-transformer", tmp_path / "ast")
    att = models.load_model(tmp_path / "ast").trace(audio=vowels(0.7))["encoder"]
    assert [key.text for key in att.key_tokens[:3]] == ["[CLS]", "[added 1]", "frame 0, band 0"]
    view = sound_view(att, Selection.parse(1, 2, token="query:5"))
    weights = att.weights(1, 2, slice(5, 6))[0]
    at = [number for number, key in enumerate(att.key_tokens) if key.seconds == view.start[3]]
    assert len(at) > 1
    assert view.weight[3] == pytest.approx(weights[at].sum(), abs=1e-7)
    assert np.all(np.diff(view.start) > 0)
    assert view.start[-1] < 0.7
