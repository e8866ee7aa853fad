"""A picture through the model's own processor: patches as tokens, their grid, and weights equal to eager ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModel,
    BeitConfig,
    BeitImageProcessorPil,
    BitImageProcessorPil,
    DeiTConfig,
    DeiTImageProcessorPil,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
    SwinConfig,
    ViTConfig,
    ViTImageProcessorPil,
)

from models import Model, errors, load_model
from models.capture.cost import Budget
from tests.helpers.rounding import OF_PASSES
from tests.helpers.small_models import sharpen

# 4 rows and 6 columns of patches, so that a swap of the two shows.
HEIGHT, WIDTH, PATCH = 20, 30, 5
SIZES = {
    "hidden_size": 42,
    "num_hidden_layers": 3,
    "num_attention_heads": 7,
    "intermediate_size": 53,
    "image_size": (HEIGHT, WIDTH),
    "patch_size": PATCH,
}
SIZE = {"height": HEIGHT, "width": WIDTH}
# Config, processor, and how many positions the model adds in front of the patches.
FAMILIES = {
    "vit": (lambda: ViTConfig(**SIZES), lambda: ViTImageProcessorPil(size=SIZE), 1),
    "deit": (
        lambda: DeiTConfig(**SIZES),
        lambda: DeiTImageProcessorPil(size=SIZE, crop_size=SIZE, do_center_crop=False),
        2,
    ),
    "beit": (
        lambda: BeitConfig(**{**SIZES, "image_size": 30}, use_relative_position_bias=True),
        lambda: BeitImageProcessorPil(size={"height": 30, "width": 30}, do_center_crop=False),
        1,
    ),
    "dinov2": (
        lambda: Dinov2Config(**{**SIZES, "image_size": 30}),
        lambda: BitImageProcessorPil(size=SIZE, do_center_crop=False),
        1,
    ),
    "dinov2_with_registers": (
        lambda: Dinov2WithRegistersConfig(**{**SIZES, "image_size": 30}, num_register_tokens=3),
        lambda: BitImageProcessorPil(size=SIZE, do_center_crop=False),
        4,
    ),
    "siglip_vision_model": (
        lambda: SiglipVisionConfig(**{**SIZES, "image_size": 30}),
        lambda: SiglipImageProcessorPil(size={"height": 30, "width": 30}),
        0,
    ),
}


def photograph(width: int = 67, height: int = 41) -> Image.Image:
    generator = np.random.default_rng(4)
    smooth = np.kron(generator.integers(0, 256, (5, 7, 3)), np.ones((9, 10, 1)))
    return Image.fromarray(smooth[:height, :width].astype(np.uint8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    made = {}
    for name, (config, processor, _) in FAMILIES.items():
        torch.manual_seed(13)
        module = AutoModel.from_config(config())
        sharpen(module, 13)
        made[name] = tmp_path_factory.mktemp("images") / name
        module.save_pretrained(made[name])
        processor().save_pretrained(made[name])
    return made


@pytest.fixture(scope="module")
def seeing(folders) -> dict[str, Model]:
    return {name: load_model(str(folder)) for name, folder in folders.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_weights_are_those_of_an_eager_forward(name, seeing, folders):
    trace = seeing[name].trace(image=photograph())
    processor = AutoImageProcessor.from_pretrained(folders[name])
    module = AutoModel.from_pretrained(folders[name], attn_implementation="eager").eval()
    with torch.no_grad():
        eager = module(**processor(photograph(), return_tensors="pt"), output_attentions=True).attentions
    attention = trace["encoder"]
    assert (trace.kinds, attention.n_layers, attention.n_heads) == (("encoder",), 3, 7)
    worst = max(
        float(np.abs(attention.layer(layer) - expected[0].numpy()).max()) for layer, expected in enumerate(eager)
    )
    print(f"{name} ({seeing[name].card.capture}): worst difference {worst:.1e}")
    assert worst <= OF_PASSES
    assert min(attention.weights(2, 3).max(axis=1)) > 0.06  # far from uniform, 1/25


@pytest.mark.parametrize("name", FAMILIES)
def test_keys_are_patches_with_their_grid(name, seeing):
    trace, n_added = seeing[name].trace(image=photograph()), FAMILIES[name][2]
    attention = trace["encoder"]
    height, width = trace.image.shape[:2]
    assert attention.key_grid == (height // PATCH, width // PATCH)
    rows, columns = attention.key_grid
    assert attention.n_key == n_added + rows * columns
    assert [token.special for token in attention.key_tokens] == [True] * n_added + [False] * (rows * columns)
    assert attention.key_tokens[n_added].text == "patch 0,0"
    assert attention.key_tokens[n_added + columns].text == "patch 1,0"
    assert attention.key_tokens[-1].display == f"{rows - 1},{columns - 1}"
    assert seeing[name].card.modality == "image"


def test_a_token_is_the_patch_that_its_name_says(seeing):
    """Changing one patch of the picture changes, in the first layer, that patch's row and column most of all."""
    picture = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8))
    changed = picture.copy()
    changed.paste((250, 5, 120), (3 * PATCH, 2 * PATCH, 4 * PATCH, 3 * PATCH))
    before, after = (seeing["vit"].trace(image=one)["encoder"] for one in (picture, changed))
    difference = np.abs(after.layer(0) - before.layer(0)).sum(axis=(0, 2))
    assert after.query_tokens[int(difference.argmax())].text == "patch 2,3"


def test_the_picture_is_what_the_model_saw(seeing):
    trace = seeing["vit"].trace(image=photograph())
    assert trace.image.shape == (HEIGHT, WIDTH, 3)
    assert trace.image.dtype == np.uint8
    expected = np.asarray(photograph().resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
    assert np.abs(trace.image.astype(int) - expected).max() <= 1
    with pytest.raises(ValueError, match="read-only"):
        trace.image[0] = 0
    assert trace.source.image != seeing["vit"].trace(image=photograph(50, 40)).source.image


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK", "I;16"])
def test_pictures_of_every_mode_are_read(mode, seeing):
    picture = Image.new("I;16", (40, 30)) if mode == "I;16" else photograph().convert(mode)
    assert seeing["vit"].trace(image=picture)["encoder"].n_key == 25


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2000, 3)])
def test_pictures_of_odd_sizes_are_read(size, seeing):
    assert seeing["vit"].trace(image=Image.new("RGB", size))["encoder"].n_key == 25


def test_pictures_that_cannot_be_read_are_refused(seeing, tmp_path, minilm):
    with pytest.raises(errors.NoText, match=r"^The picture has 8,001 x 8,001 pixels, the maximum is 64,000,000 in all"):
        seeing["vit"].trace(image=Image.new("1", (8001, 8001)))
    photograph().save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(errors.NoText, match=r"^The picture's file is closed or damaged: open it again"):
        seeing["vit"].trace(image=Image.open(tmp_path / "half.png"))
    with pytest.raises(errors.NoText, match=r"^vit reads pictures, not texts: give an image\.$"):
        seeing["vit"].trace("the cat")
    with pytest.raises(
        errors.NoText, match=r"^sentence-transformers/all-MiniLM-L6-v2 reads texts, not pictures: give a text\.$"
    ):
        minilm.trace(image=photograph())


def test_a_picture_is_admitted_too(seeing):
    with pytest.raises(errors.NotEnoughMemory, match=r"^Tracing 24 tokens needs about .* this server allows 10 bytes"):
        seeing["vit"].trace(image=photograph(), budget=Budget(n_bytes=10))


def test_a_model_that_joins_patches_is_refused(tmp_path):
    config = SwinConfig(image_size=32, patch_size=4, embed_dim=12, depths=[1, 1], num_heads=[2, 3], window_size=4)
    AutoModel.from_config(config).save_pretrained(tmp_path / "swin")
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "swin")
    with pytest.raises(
        errors.BrokenModel, match=r"^The model merges patches between its layers \(8 x 8 patches, 16 positions\)"
    ):
        load_model(str(tmp_path / "swin"))


@pytest.mark.parametrize("beside", [{"text": "a"}, {"text_pair": "a"}, {"target": "a"}, {"generate": 2}])
def test_a_picture_is_read_alone(seeing, beside):
    with pytest.raises(errors.NoText, match="A picture is read alone: leave out"):
        seeing["vit"].trace(image=photograph(), **beside)
