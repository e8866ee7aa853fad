"""A picture to patches, the input of a vision encoder, through the processor that it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from transformers.image_processing_utils import BaseImageProcessor

from models.errors import BrokenModel, NoText
from models.pictures import as_picture
from models.tokens import Token

# The image processors of published models ask for 1,024 pixels a side at most.
MAX_SIDE = 4_096


@dataclass(frozen=True)
class PatchSequence:
    """A picture as the model sees it: pixel values, the picture itself, and its rows and columns of patches."""

    inputs: dict[str, Tensor]
    seen: UInt8[np.ndarray, "row column 3"]
    grid: tuple[int, int]


class ImageReader:
    """Reads pictures with one processor."""

    def __init__(self, processor: BaseImageProcessor, config: Any) -> None:
        self.processor: Any = processor
        size = config.patch_size
        self._patch = tuple(size) if isinstance(size, (tuple, list)) else (size, size)

    def read(self, given: Any) -> PatchSequence:
        """Return the pixel values `[1, 3, row, column]` that the model's own processor makes from a picture.

        `given` is a picture in any form that `models.pictures.as_picture` knows.

        Raises:
            NoText: this is no picture, or it is empty, too large or too narrow, or its file is damaged.
            BrokenModel: the processor does not return one picture in three colours.
        """
        image = as_picture(given)
        refuse_narrow(image, self.processor)
        given = dict(self.processor(image, return_tensors="pt"))
        pixels = given.get("pixel_values")
        if not isinstance(pixels, Tensor) or pixels.dim() != 4 or pixels.shape[:2] != (1, 3):
            raise BrokenModel(
                f"{type(self.processor).__name__} does not return one picture in three colours, but the shape "
                f"{list(getattr(pixels, 'shape', ()))}: choose a model that reads pictures whole."
            )
        rows, columns = pixels.shape[2] // self._patch[0], pixels.shape[3] // self._patch[1]
        return PatchSequence({"pixel_values": pixels}, undo_normalisation(self.processor, pixels[0]), (rows, columns))


def refuse_narrow(image: Image.Image, processor: Any) -> None:
    """Let a picture through that stays small if the processor gives its shorter side a fixed length.

    Raises:
        NoText: its longer side would become far longer than any model reads.
    """
    size = getattr(processor, "size", None)
    edge, bound = (
        size.get(name) if isinstance(size, dict) else getattr(size, name, None)
        for name in ("shortest_edge", "longest_edge")
    )
    share = max(image.size) / min(image.size)
    if isinstance(edge, int) and not bound and edge**2 * share > MAX_SIDE**2:
        raise NoText(
            f"The picture has {image.size[0]:,} x {image.size[1]:,} pixels, and this model makes its shorter side "
            f"{edge:,} pixels long, the longer one {int(edge * share):,}: crop it."
        )


def undo_normalisation(processor: Any, pixels: Tensor) -> UInt8[np.ndarray, "row column 3"]:
    """Return the picture that a processor resized and cropped, `[3, row, column]`, without its normalisation."""
    pixels = pixels.float()
    if getattr(processor, "do_normalize", False):
        mean, spread = (
            torch.tensor(values).float().reshape(-1, 1, 1) for values in (processor.image_mean, processor.image_std)
        )
        pixels = pixels * spread + mean
    if getattr(processor, "do_rescale", True):
        pixels = pixels / getattr(processor, "rescale_factor", 1 / 255)
    seen = pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy().copy()
    seen.flags.writeable = False
    return seen


def patch_tokens(grid: tuple[int, int], n_tokens: int) -> tuple[Token, ...]:
    """Return a token for each position: first the tokens that the model adds, then the patches, row by row.

    Raises:
        BrokenModel: there are fewer positions than patches.
    """
    rows, columns = grid
    n_added = n_tokens - rows * columns
    if n_added < 0:
        raise BrokenModel(
            f"The model merges patches between its layers ({rows} x {columns} patches, {n_tokens} positions), so its "
            "weights do not belong to patches: choose a vision transformer of one resolution (ViT, DeiT, BEiT, DINOv2, "
            "CLIP)."
        )
    names = ["[CLS]", *(f"[added {number}]" for number in range(1, n_added))][:n_added]
    added = [Token(name, number, None, None, True, name) for number, name in enumerate(names)]
    patches = [
        Token(f"patch {row},{column}", n_added + row * columns + column, None, None, False, f"{row},{column}")
        for row in range(rows)
        for column in range(columns)
    ]
    return (*added, *patches)


def probe_picture() -> Image.Image:
    """Return a picture with a different colour at every position, which the verification at loading reads."""
    down, across = np.mgrid[0:96, 0:128]
    colours = [(2 * across + down) % 256, (5 * down) % 256, (down * across // 16) % 256]
    return Image.fromarray(np.stack(colours, axis=-1).astype(np.uint8))
