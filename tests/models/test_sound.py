"""Sounds are read as the model reads them: one channel, its own rate, cut to its length; else refused."""

from __future__ import annotations

import io
import os
import re
import wave

import numpy as np
import pytest
import soundfile
import torch

from models.errors import NoText
from models.sound import HIGHEST_RATE, MAX_SAMPLES, Sound, read_sound

pytestmark = pytest.mark.slow

RATE = 16_000


def tone(seconds: float = 0.31, rate: int = RATE, pitch: float = 440.0) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * pitch * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def test_samples_without_a_rate_are_the_models_own():
    sound = read_sound(tone(), RATE)
    assert np.array_equal(sound.samples, tone())
    assert (sound.rate, sound.notices, sound.seconds) == (RATE, (), pytest.approx(0.31))
    assert not sound.samples.flags.writeable


@pytest.mark.parametrize("given", [torch.from_numpy(tone()), tone().tolist(), tone().astype(np.float64)], ids=type)
def test_tensors_lists_and_double_precision_are_the_same_sound(given):
    assert np.array_equal(read_sound(given, RATE).samples, tone())


def test_a_tensor_with_a_gradient_is_read():
    assert np.array_equal(read_sound(torch.from_numpy(tone()).requires_grad_(), RATE).samples, tone())


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3"])
def test_files_are_read(format, tmp_path):
    path = tmp_path / f"tone.{format.lower()}"
    soundfile.write(path, tone(1.0), RATE, format=format)
    for given in (path, str(path), io.BytesIO(path.read_bytes())):
        sound = read_sound(given, RATE)
        # MP3 codecs add some silence around the sound.
        assert abs(sound.seconds - 1.0) < 0.1
        assert abs(float(np.abs(np.fft.rfft(sound.samples)).argmax()) / sound.seconds - 440) < 2


def test_wav_without_soundfile_is_the_same_to_one_step(tmp_path):
    path, whole = tmp_path / "tone.wav", np.round(tone() * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(whole.tobytes())
    assert np.array_equal(read_sound(path, RATE).samples, whole.astype(np.float32) / 32768)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 22_050])
def test_another_rate_is_resampled_with_a_notice(rate):
    sound = read_sound((tone(0.5, rate), rate), RATE)
    expected = tone(0.5)
    inner = slice(200, -200)
    assert len(sound.samples) == pytest.approx(len(expected), abs=1)
    # Measured: 1.1e-3 at most, the ripple of the filter.
    assert np.abs(sound.samples[: len(expected)] - expected[: len(sound.samples)])[inner].max() < 5e-3
    assert sound.notices == (
        f"The sound was resampled from {rate:,} to 16,000 samples a second, which the model reads.",
    )


@pytest.mark.parametrize("order", ["sample first", "channel first"])
def test_channels_are_averaged_with_a_notice(order, tmp_path):
    both = np.stack([tone(), -0.5 * tone(pitch=310)], axis=1)
    sound = read_sound(both if order == "sample first" else both.T, RATE)
    assert np.allclose(sound.samples, both.mean(1), atol=1e-7)
    assert sound.notices == ("The sound has 2 channels: the model reads their mean.",)


def test_whole_numbers_are_scaled_with_a_notice():
    whole = np.array([0, 16384, -32768, 32767], dtype=np.int16)
    sound = read_sound(whole, RATE)
    assert np.array_equal(sound.samples, np.array([0, 0.5, -1, 32767 / 32768], dtype=np.float32))
    assert len(sound.notices) == 1
    assert np.array_equal(read_sound(np.array([128, 255, 0], np.uint8), RATE).samples, [0, 127 / 128, -1])


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_long_sound_is_cut_with_a_notice(rate, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, tone(3.0, rate), rate)
    sound = read_sound(path, RATE, 1.3)
    assert len(sound.samples) == round(1.3 * RATE)
    assert sound.notices[-1] == ("The first 1.3 of 3.0 seconds are shown: this is the maximum that is read at once.")
    whole = read_sound(path, RATE)
    assert np.array_equal(sound.samples, whole.samples[: len(sound.samples)])


def test_only_what_is_read_is_decoded(tmp_path, monkeypatch):
    """A file of an hour must not take the memory of an hour."""
    path, read = tmp_path / "long.flac", []
    soundfile.write(path, np.zeros(RATE * 60, dtype=np.float32), RATE)
    plain = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, n, **more: read.append(n) or plain(self, n, **more))
    read_sound(path, RATE, 2.0)
    assert read == [round(2.5 * RATE)]


def test_equal_sounds_have_equal_digests():
    first, same, other = read_sound(tone(), RATE), read_sound(tone(), RATE), read_sound(tone(pitch=441), RATE)
    assert first.digest == same.digest != other.digest
    assert Sound(first.samples, 8_000).digest != first.digest
    assert read_sound(first, RATE).digest == first.digest


class Nothing:
    pass


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"RIFF")
    file.close()
    return file


HOSTILE = {
    "empty": np.zeros(0, np.float32),
    "empty list": [],
    "no axes": np.float32(0.5),
    "three axes": np.zeros((2, 3, 4), np.float32),
    "no channels": np.zeros((0, 5), np.float32),
    "many channels": np.zeros((40, 40), np.float32),
    "NaN": np.array([0.1, np.nan], np.float32),
    "infinite": np.array([0.1, np.inf]),
    "complex": np.array([1j, 2]),
    "bool": np.array([True, False]),
    "text array": np.array(["a", "b"]),
    "objects": np.array([object(), None]),
    "ragged": [[0.1], [0.2, 0.3]],
    "words": ["a", "b"],
    "huge numbers": [10**400, 0.5],
    "None in a list": [None, 0.5],
    "number": 3.5,
    "object": Nothing(),
    "dict": {"array": [0.1], "sampling_rate": RATE},
    "missing": "no-such-file.wav",
    "empty name": "",
    "null": "a\0b.wav",
    "long name": "x" * 5_000,
    "folder": os.getcwd(),
    "bytes": b"RIFF0000WAVE",
    "closed": closed_file(),
    "rate 0": (tone(), 0),
    "rate negative": (tone(), -16_000),
    "rate NaN": (tone(), float("nan")),
    "rate text": (tone(), "16000"),
    "rate huge": (tone(), 10 * HIGHEST_RATE),
    "rate None": (tone(), None),
    "rate tensor": (tone(), torch.zeros(3)),
    "too many": np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (MAX_SAMPLES + 1,), (0,)),
}


@pytest.mark.parametrize("given", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_sound_is_refused_in_one_sentence(given):
    with pytest.raises(NoText) as caught:
        read_sound(given, RATE, 30.0)
    assert re.fullmatch(r"[A-Z'N][^\n]{15,400}\.", str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"not a sound", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"OggS" * 9, b"ID3" + b"\0" * 90]
)
@pytest.mark.parametrize("ending", ["wav", "raw", "mp3"])
def test_files_that_are_no_sound_are_refused(content, ending, tmp_path):
    path = tmp_path / f"bad.{ending}"
    path.write_bytes(content)
    with pytest.raises(NoText, match=r"bad\.") as caught:
        read_sound(path, RATE)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("cut", [45, 400, 4_000])
def test_a_file_that_ends_early_is_read_as_far_as_it_goes_with_a_notice(cut, tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, tone(1.0), RATE)
    path.write_bytes(path.read_bytes()[:cut])
    try:
        sound = read_sound(path, RATE)
    except NoText:
        return
    assert sound.seconds < 1


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(NoText):
        read_sound(tmp_path / "pipe.wav", RATE)
