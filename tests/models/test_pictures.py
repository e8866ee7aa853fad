"""Pictures as people have them, against Pillow and against the shapes that they were made from."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from models.errors import NoText
from models.pictures import MAX_PIXELS, as_picture

HEIGHT, WIDTH = 5, 7
COLOURS = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GREY, ALPHA = COLOURS[..., 0], np.concatenate([COLOURS, COLOURS[..., :1]], axis=-1)
FIRST = np.moveaxis(COLOURS, -1, 0)
AS_COLOURS = {
    "array": COLOURS,
    "array of fractions": (COLOURS / 255).astype(np.float32),
    "array of half fractions": (COLOURS / 255).astype(np.float16),
    "array of int64": COLOURS.astype(np.int64),
    "array with transparency": ALPHA,
    "channels first": FIRST,
    "not contiguous": np.asfortranarray(COLOURS),
    "batch of one": COLOURS[None],
    "tensor": torch.from_numpy(FIRST.copy()),
    "tensor of fractions with a gradient": (torch.from_numpy(FIRST.copy()) / 255).requires_grad_(),
    "tensor, channels last": torch.from_numpy(COLOURS.copy()),
    "batch of one tensor": torch.from_numpy(FIRST.copy())[None],
    "PIL": Image.fromarray(COLOURS),
    "PIL with transparency": Image.fromarray(ALPHA),
}
AS_GREY = {
    "array": GREY,
    "one channel": GREY[..., None],
    "one channel first": torch.from_numpy(GREY.copy())[None],
    "PIL": Image.fromarray(GREY),
}


@pytest.mark.parametrize("name", AS_COLOURS)
def test_every_form_of_one_picture_is_the_same_picture(name):
    picture = as_picture(AS_COLOURS[name])
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), COLOURS)


@pytest.mark.parametrize("name", AS_GREY)
def test_grey(name):
    np.testing.assert_array_equal(np.asarray(as_picture(AS_GREY[name])), np.repeat(GREY[..., None], 3, axis=-1))


def test_black_and_white():
    np.testing.assert_array_equal(np.asarray(as_picture(GREY > 99))[..., 1], (GREY > 99) * 255)


def test_sides_of_three_pixels_are_read_as_the_library_of_the_value_has_them():
    small = COLOURS[:3]
    np.testing.assert_array_equal(np.asarray(as_picture(small)), small)
    tensor = torch.from_numpy(np.moveaxis(small, -1, 0)[:, :, :3].copy())
    np.testing.assert_array_equal(np.asarray(as_picture(tensor)), small[:, :3])


@pytest.mark.parametrize("kind", [str, os.fspath, lambda path: path])
def test_paths(tmp_path, kind):
    path = tmp_path / "one picture.png"
    Image.fromarray(COLOURS).save(path)
    np.testing.assert_array_equal(np.asarray(as_picture(kind(path))), COLOURS)


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(as_picture("~/a.png")), COLOURS)


def test_a_photograph_is_turned_upright(tmp_path):
    picture, exif = Image.fromarray(COLOURS), Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row of the file is the right column of the scene
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(as_picture(tmp_path / "a.png")), np.rot90(COLOURS, -1))


def _closed() -> Image.Image:
    picture = Image.fromarray(COLOURS)
    picture.close()
    return picture


REFUSED = {
    "nothing": (None, "not NoneType"),
    "number": (3, "not int"),
    "bytes": (b"\x89PNG", "not bytes"),
    "list": ([[1, 2], [3, 4]], "not list"),
    "closed": (_closed(), "closed or damaged"),
    "five channels": (np.zeros((6, 4, 5), np.uint8), r"shape \[6, 4, 5\]"),
    "a batch": (np.zeros((2, 4, 4, 3), np.uint8), r"shape \[2, 4, 4, 3\]"),
    "one axis": (np.zeros(9, np.uint8), r"shape \[9\]"),
    "no axis": (np.array(9), r"shape \[\]"),
    "no pixels": (np.zeros((0, 4, 3), np.uint8), "is empty"),
    "normalised": (np.full((4, 4, 3), -2.1), r"-2.1 to -2.1, expected fractions from 0 to 1.*normalised"),
    "too large numbers": (np.full((4, 4), 256), "whole numbers from 0 to 255"),
    "NaN": (np.full((4, 4), np.nan), "nan to nan"),
    "words": (np.array([["a", "b"]]), "dtype <U1"),
    "objects": (np.array([[object()]]), "dtype object"),
    "complex": (np.zeros((4, 4), complex), "dtype complex128"),
    "large": (np.broadcast_to(np.uint8(0), (8_001, 8_001)), f"the maximum is {MAX_PIXELS:,}"),
    "meta tensor": (torch.empty(3, 4, 4, device="meta"), "no numbers that can be read"),
    "sparse tensor": (torch.zeros(3, 4, 4).to_sparse(), "no numbers that can be read"),
    "missing file": ("not here.png", "no file not here.png"),
    "empty name": ("", "no file"),
    "null byte": ("a\0.png", "cannot be read"),
    "folder": (".", "is no file"),
    "device": ("/dev/zero", "is no file"),
    "address": ("https://example.org/a.png", "fetches no picture"),
    "another file": (__file__, "no PNG, JPEG or WebP"),
    "a long name": ("a" * 9_999, "cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_in_one_sentence(name):
    given, sentence = REFUSED[name]
    with pytest.raises(NoText, match=sentence) as caught:
        as_picture(given)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_file_of_another_format_or_size_is_not_decoded(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.bmp")
    with pytest.raises(NoText, match="no PNG, JPEG or WebP"):
        as_picture(tmp_path / "a.bmp")
    Image.new("1", (9_000, 9_000)).save(tmp_path / "bomb.png")
    with pytest.raises(NoText, match="9,000 x 9,000 pixels"):
        as_picture(tmp_path / "bomb.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(NoText, match="has 0 bytes"):
        as_picture(tmp_path / "empty.png")
    cut = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:900])
    with pytest.raises(NoText, match=r"cut\.png"):
        as_picture(cut)
