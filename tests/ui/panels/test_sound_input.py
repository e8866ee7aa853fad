"""A sound on the page: the default one or a visitor's upload, its transcript, and refusals in one sentence."""

import io

import pytest
import soundfile

from models.errors import NoText
from tests.helpers.inspect_page import instrument, message, messages, opened, run
from tests.helpers.sound_models import save_whisper, vowels
from ui.services.default_sound import default_sound
from ui.services.sounds import MOST_BYTES, read_upload


def as_wav(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, vowels(seconds), 16_000, format="WAV")
    return file.getvalue()


@pytest.mark.slow
def test_a_sound_is_inspected_from_the_upload_to_the_picture(tmp_path):
    folder = save_whisper(tmp_path / "whisper")
    app = run(model=str(folder), target="hello", kind="cross", layer="1", head="2")
    assert any("ends at 2.44 s" in each for each in messages(app))
    header, _ = instrument(app)
    assert [label for label, *_ in header["keys"]][:2] == ["0.00 s", "0.02 s"]
    assert opened(app)["region"] == "0-6:0-121"
    assert len(app.get("audio")) == 1
    app.file_uploader(key="sound").set_value(("vowels.wav", as_wav(1.1), "audio/wav")).run()
    assert any("ends at 1.10 s" in each for each in messages(app))
    assert opened(app)["region"] == "0-6:0-54"
    app.file_uploader(key="sound").set_value(("bad.wav", b"not a sound", "audio/wav")).run()
    assert [each for each in messages(app) if "is not a sound that can be read" in each]
    app.file_uploader(key="sound").set_value(("empty.wav", b"", "audio/wav")).run()
    assert "The file is empty, expected a sound: save it again as WAV, FLAC, OGG or MP3." in messages(app)
    assert message(app) is None


def test_uploads_are_limited_and_shared():
    data = as_wav(0.4)
    assert read_upload(data, 16_000) is read_upload(data, 16_000)
    assert read_upload(data, 8_000).rate == 8_000
    with pytest.raises(NoText, match="the maximum is 20 MB"):
        read_upload(bytes(MOST_BYTES + 1), 16_000)
    for _ in range(2):  # the sentence is kept as well
        with pytest.raises(NoText, match="is not a sound"):
            read_upload(b"x" * 100, 16_000)


def test_the_default_sound_is_five_vowels_with_pauses():
    sound = default_sound()
    assert sound.seconds == pytest.approx(2.44)
    assert abs(sound.samples).max() == pytest.approx(0.7)
    loud = abs(sound.samples).reshape(-1, 160).max(axis=1) > 0.02
    assert (loud[1:] & ~loud[:-1]).sum() == 5
