"""A text with a picture: what the model's own processor makes of both, patches in their places, and eager's weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from models import AttentionTrace, Model, load_model
from models.patches import Patches
from tests.helpers.picture_models import FAMILIES, build_text_picture
from tests.helpers.rounding import OF_PASSES

pytestmark = pytest.mark.slow

TEXT = "The cat sat on the mat."
PIXELS = np.random.default_rng(3).integers(0, 255, (50, 80, 3)).astype(np.uint8)
PICTURE = Image.fromarray(PIXELS)
# Pictures that the processors neither resize nor crop, as width and height.
UNCHANGED = {
    "llava": (30, 30),
    "llava_next": (60, 30),
    "gemma3": (24, 24),
    "paligemma": (24, 24),
    "idefics3": (72, 48),
    "smolvlm": (72, 48),
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe"), (72, 48)),
}
# Families whose whole processor runs here: the others' also reads videos, which needs torchvision.
WHOLE_PROCESSOR = ("llava", "llava_next", "idefics3", "gemma3", "paligemma")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build_text_picture(name, tmp_path_factory.mktemp(name)) for name in FAMILIES}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, Model]:
    return {name: load_model(folder, device="cpu") for name, folder in folders.items()}


def prompt_of(folder: Path) -> str:
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    parts = [{"type": "image"}, {"type": "text", "text": TEXT}]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    said = [{"role": "user", "content": parts}]
    return tokenizer.apply_chat_template(said, chat_template=template, tokenize=False, add_generation_prompt=True)


def expected_inputs(name: str, folder: Path) -> dict[str, Any]:
    """Return the inputs of the model without our code: by its whole processor, or by its parts and a count of ours."""
    prompt = prompt_of(folder)
    if name in WHOLE_PROCESSOR:
        processor = AutoProcessor.from_pretrained(folder)
        given = processor(images=PICTURE, text=prompt, return_tensors="pt", add_special_tokens=False)
        return {key: value for key, value in given.items() if key != "labels"}
    images, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    if name == "smolvlm":
        seen = images(PICTURE, return_tensors="pt", return_row_col_info=True)
        (rows,), (columns,) = seen.pop("rows"), seen.pop("cols")
        marks, fake = "<image>" * 9, "<fake_token_around_image>"
        lines = [
            "".join(f"{fake}<row_{row + 1}_col_{column + 1}>{marks}" for column in range(columns[0]))
            for row in range(rows[0])
        ]
        mark, whole = "<image>", "\n".join([*lines, f"\n{fake}<global-img>{marks}{fake}"])
    else:
        seen, mark = images(PICTURE, return_tensors="pt"), "<|image_pad|>"
        whole = mark * (int(seen["image_grid_thw"].prod()) // 4)
    text = tokenizer(prompt.replace(mark, whole), return_tensors="pt", add_special_tokens=False)
    types = (text["input_ids"] == tokenizer.convert_tokens_to_ids(mark)).long()
    return {"input_ids": text["input_ids"], **({} if name == "smolvlm" else {"mm_token_type_ids": types}), **seen}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_weights_are_the_models_own(name: str, folders: dict[str, Path], loaded: dict[str, Model]) -> None:
    model = loaded[name]
    assert model.card.modality == "text and image"
    assert model.card.kinds == ("decoder",)
    assert model.card.capture == ("materialised" if name == "paligemma" else "replayed")
    trace = model.trace(TEXT, image=PICTURE)
    given = expected_inputs(name, folders[name])
    plain = AutoModelForImageTextToText.from_pretrained(folders[name], attn_implementation="eager").eval()
    with torch.inference_mode():
        expected = plain.model(**given, output_attentions=True, use_cache=False).attentions
    attention = trace["decoder"]
    assert attention.n_layers == len(expected) == 3
    assert [token.id for token in attention.key_tokens] == given["input_ids"][0].tolist()
    for layer, weights in enumerate(expected):
        np.testing.assert_allclose(attention.layer(layer), weights[0].numpy(), atol=OF_PASSES)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_continuation_is_what_the_model_generates(
    name: str, folders: dict[str, Path], loaded: dict[str, Model]
) -> None:
    given = expected_inputs(name, folders[name])
    plain = AutoModelForImageTextToText.from_pretrained(folders[name], attn_implementation="eager").eval()
    with torch.inference_mode():
        made = plain.generate(**given, max_new_tokens=4, do_sample=False, num_beams=1, return_dict_in_generate=True)
        step = plain.generate(
            **given,
            max_new_tokens=4,
            do_sample=False,
            num_beams=1,
            return_dict_in_generate=True,
            output_attentions=True,
        )
    attention = loaded[name].trace(TEXT, image=PICTURE, generate=4)["decoder"]
    ids = made.sequences[0].tolist()
    assert [token.id for token in attention.key_tokens] == ids
    assert [token.generated for token in attention.key_tokens] == [
        position >= given["input_ids"].shape[1] for position in range(len(ids))
    ]
    # The query of the last token but one, in the step that wrote the last one.
    n_read = len(ids) - 1
    for layer, weights in enumerate(step.attentions[-1]):
        row = weights[0, :, -1].numpy()
        ours = attention.layer(layer, queries=slice(n_read - 1, n_read))[:, 0, :n_read]
        np.testing.assert_allclose(ours[:, -row.shape[1] :], row, atol=1e-5)


def test_a_continuation_ends_before_a_placeholder_of_its_own(
    loaded: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded["llava"]
    placeholder = model.module.config.image_token_id

    def generate(module: Any, inputs: dict[str, torch.Tensor], n_tokens: int, name: str) -> list[int]:
        return [*inputs["input_ids"][0].tolist(), 40, placeholder, 41]

    monkeypatch.setattr("models.input_builder.generate_ids", generate)
    trace = model.trace(TEXT, image=PICTURE, generate=3)
    assert [token.id for token in trace["decoder"].key_tokens if token.generated] == [40]
    assert any("the model generated 1" in notice for notice in trace.notices)


def without_mixing(model: Model) -> None:
    """Let each patch of the vision encoder see itself alone."""
    n_changed = 0
    for name, parameter in model.module.named_parameters():
        if re.search(r"vis(ion|ual).*(out_proj|attn\.proj)\.", name):
            parameter.data.zero_()
            n_changed += 1
    assert n_changed


def keys_of(model: Model, pixels: np.ndarray) -> tuple[AttentionTrace, torch.Tensor]:
    trace = model.trace(TEXT, image=Image.fromarray(pixels))
    return trace, trace["decoder"].replay(0).key


def covering(patches: tuple[Patches, ...], across: float, down: float) -> dict[int, Patches]:
    """Return the position of the patch of each grid at a place of the picture."""
    found = {}
    for grid in patches:
        left, top, right, bottom = grid.box
        if left <= across < right and top <= down < bottom:
            row = int((down - top) / (bottom - top) * grid.rows)
            column = int((across - left) / (right - left) * grid.columns)
            found[grid.first + row * grid.columns + column] = grid
    return found


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "paligemma"])
def test_a_patch_is_where_the_picture_changed(name: str, folders: dict[str, Path]) -> None:
    model = load_model(folders[name], device="cpu")
    without_mixing(model)
    width, height = UNCHANGED[name]
    pixels = np.random.default_rng(5).integers(60, 200, (height, width, 3)).astype(np.uint8)
    trace, before = keys_of(model, pixels)
    patches = trace["decoder"].key_patches
    n_parts = sum(grid.box != (0.0, 0.0, 1.0, 1.0) for grid in patches)
    assert n_parts == (6 if name in ("idefics3", "smolvlm") else 5 if name == "llava_next" else 0)
    for x, y in ((1, 1), (width - 2, 1), (width // 2 + 1, height - 2), (width // 3, height // 2 - 2)):
        changed = pixels.copy()
        changed[y, x] = 255 - changed[y, x]
        _, after = keys_of(model, changed)
        different = {int(at) for at in torch.nonzero((after != before).any(-1).any(0))}
        expected = covering(patches, (x + 0.5) / width, (y + 0.5) / height)
        # A picture that was made smaller spreads a pixel over neighbouring patches; its parts were not.
        whole = next((set(grid.positions) for grid in patches if grid.box == (0, 0, 1, 1)), set()) if n_parts else set()
        assert different - whole == set(expected) - whole
        assert set(expected) <= different


@pytest.mark.parametrize("name", FAMILIES)
def test_tokens_name_their_patches(name: str, loaded: dict[str, Model]) -> None:
    attention = loaded[name].trace(TEXT, image=PICTURE)["decoder"]
    positions = [position for grid in attention.key_patches for position in grid.positions]
    assert len(positions) == len(set(positions)) > 8
    for position, token in enumerate(attention.key_tokens):
        assert (position in positions) == token.text.startswith("patch ")
        if position in positions:
            assert token.text == f"patch {token.display}"
            assert token.start is None
            assert not token.special
    read = "".join(attention.source.text[token.start : token.end] for token in attention.key_tokens if token.start)
    assert TEXT in read
    names = [attention.key_tokens[position].display for position in positions]
    assert len(set(names)) == len(names)


def test_words_keep_the_patches(loaded: dict[str, Model]) -> None:
    attention = loaded["smolvlm"].trace(TEXT, image=PICTURE)["decoder"]
    words = attention.words()
    assert words.n_key < attention.n_key
    assert len(words.key_patches) == len(attention.key_patches) == 7
    for ours, theirs in zip(words.key_patches, attention.key_patches, strict=True):
        for at, then in zip(ours.positions, theirs.positions, strict=True):
            assert words.key_tokens[at].text == attention.key_tokens[then].text


def test_a_trace_can_be_made_again_from_its_source(loaded: dict[str, Model]) -> None:
    first = loaded["qwen2_vl"].trace(TEXT, image=PICTURE)
    again = loaded["qwen2_vl"].trace(first.source.text, image=PICTURE)
    assert again.source == first.source
    assert again["decoder"].key_tokens == first["decoder"].key_tokens
    assert any("chat template" in notice for notice in first.notices)
    assert again.notices == ()


def test_without_a_template_the_picture_is_before_the_text(tmp_path: Path) -> None:
    model = load_model(build_text_picture("llava", tmp_path, template=False), device="cpu")
    trace = model.trace(TEXT, image=PICTURE)
    assert trace.source.text == f"<image>{TEXT}"
    assert any("before the text" in notice for notice in trace.notices)


def test_messages_are_read_with_the_picture_in_the_first_of_the_user(loaded: dict[str, Model]) -> None:
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXT}]
    trace = loaded["llava"].trace(messages=said, image=PICTURE)
    assert trace.source.text == f"<s>system: Be brief.</s>\n<s>user: <image>\n{TEXT}</s>\n<s>assistant:"
    assert trace.source.messages == (("system", "Be brief."), ("user", TEXT))


def test_a_text_alone_is_read_with_a_notice(loaded: dict[str, Model]) -> None:
    trace = loaded["qwen2_vl"].trace(TEXT)
    assert trace.image is None
    assert trace["decoder"].key_patches == ()
    assert any("also reads a picture" in notice for notice in trace.notices)


def test_what_the_model_saw_is_kept(loaded: dict[str, Model]) -> None:
    # CLIP's processor makes the shorter side 30 pixels long and cuts the middle out of the longer one.
    seen = loaded["llava"].trace(TEXT, image=PICTURE).image
    assert seen is not None
    assert seen.shape == (30, 30, 3)
    middle = np.asarray(PICTURE.resize((48, 30), Image.Resampling.BICUBIC))[:, 9:39]
    assert np.abs(seen.astype(int) - middle).max() <= 1
    whole = loaded["smolvlm"].trace(TEXT, image=PICTURE).image
    np.testing.assert_array_equal(whole, PIXELS)


def test_estimates_count_patches_without_computing_pixels(loaded: dict[str, Model]) -> None:
    for name, model in loaded.items():
        estimate = model.estimate(TEXT, image=PICTURE, generate=3)
        n_tokens = model.trace(TEXT, image=PICTURE, generate=3)["decoder"].n_key
        assert abs(estimate.n_tokens - n_tokens) <= 6, name
        assert estimate.n_bytes > model.estimate(TEXT, generate=3).n_bytes
