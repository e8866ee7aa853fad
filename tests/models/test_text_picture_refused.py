"""A text with a picture that cannot be read: refused before the pass, for its real reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models import Model, errors, load_model
from models.picture_layouts import LAYOUTS
from tests.helpers.picture_models import build_text_picture
from tests.helpers.small_models import build

pytestmark = pytest.mark.slow

TEXT = "The cat sat on the mat."
PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 255, (50, 80, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(build_text_picture("llava", tmp_path_factory.mktemp("llava")), device="cpu")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"text": "<image> and <image>"}, "2 marks for a picture"),
        ({"text": TEXT, "text_pair": "x"}, "leave out text_pair"),
        ({"text": TEXT, "messages": [{"role": "user", "content": "x"}]}, "leave out the text or the messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "No message is of a user"),
        ({"messages": [{"role": "user", "content": 5}]}, "a text, or a list of parts"),
        ({"messages": [{"role": "user", "content": [5]}]}, "a text, or a list of parts"),
        ({"messages": [{"role": "user"}]}, "a text, or a list of parts"),
        ({"text": "cat " * 400}, "reads 512 at once"),
    ],
)
def test_what_cannot_be_read_is_refused(given: dict[str, Any], sentence: str, loaded: Model) -> None:
    with pytest.raises(errors.NoText, match=re.escape(sentence)):
        loaded.trace(**given, image=PICTURE)


def test_a_model_of_text_refuses_a_picture(tmp_path: Path) -> None:
    model = load_model(build("llama", tmp_path), device="cpu")
    with pytest.raises(errors.NoText, match="reads texts, not pictures"):
        model.trace(TEXT, image=PICTURE)


def test_without_an_image_processor_the_reason_is_a_notice_and_the_refusal(tmp_path: Path) -> None:
    folder = build_text_picture("llava", tmp_path)
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").unlink()
    model = load_model(folder, device="cpu")
    assert model.card.modality == "text"
    (notice,) = model.card.notices
    assert "also reads pictures" in notice
    assert "no image processor" in notice
    model.trace(TEXT)
    with pytest.raises(errors.NoText, match="no image processor"):
        model.trace(TEXT, image=PICTURE)


def test_a_family_whose_patches_are_not_known_is_read_as_text_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build_text_picture("qwen2_vl", tmp_path)
    monkeypatch.delitem(LAYOUTS, "qwen2_vl")
    model = load_model(folder, device="cpu")
    (notice,) = model.card.notices
    assert "does not know where its family (qwen2_vl) puts the patches" in notice
    with pytest.raises(errors.NoText, match="does not know where its family"):
        model.trace(TEXT, image=PICTURE)


def test_a_picture_that_the_model_fails_on_is_a_notice_at_loading(tmp_path: Path) -> None:
    folder = build_text_picture("llava", tmp_path)
    settings = folder / "processor_config.json"
    # The processor then writes one placeholder more than the model has patches.
    settings.write_text(
        settings.read_text().replace('"num_additional_image_tokens": 1', '"num_additional_image_tokens": 2')
    )
    model = load_model(folder, device="cpu")
    assert model.card.modality == "text"
    (notice,) = model.card.notices
    assert "does not run on a text with a picture" in notice
    with pytest.raises(errors.NoText, match="does not run on a text with a picture"):
        model.trace(TEXT, image=PICTURE)


def test_pictures_that_a_processor_refuses_or_would_blow_up_are_refused_first(loaded: Model, tmp_path: Path) -> None:
    narrow = Image.new("RGB", (1, 30_000))
    for method in (loaded.trace, loaded.estimate):
        with pytest.raises(errors.NoText, match="crop it"):
            method(TEXT, image=narrow)
        with pytest.raises(errors.NoText, match="make it smaller"):
            method(TEXT, image=Image.new("L", (9000, 9000)))
    qwen = load_model(build_text_picture("qwen2_vl", tmp_path), device="cpu")
    for method in (qwen.trace, qwen.estimate):
        with pytest.raises(errors.NoText, match="does not read this text with this picture"):
            method(TEXT, image=narrow)
    with pytest.raises(errors.NoText, match="does not read this text with this picture"):
        qwen.trace("a <|video_pad|>", image=PICTURE)


def test_a_template_that_never_ends_is_left_out(loaded: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a * b %}{% endfor %}{% endfor %}"
    monkeypatch.setattr("models.chat_template.TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(loaded._inputs._pictures.processor, "chat_template", endless)
    trace = loaded.trace(TEXT, image=PICTURE)
    assert "the model has no chat template that takes one" in trace.notices[0]
    with pytest.raises(errors.NoText, match="no chat template that takes a picture"):
        loaded.trace(messages=[{"role": "user", "content": "x"}], image=PICTURE)
