"""The families that read a text with a picture: traced with their processors, and compared with eager attention."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from models import load_model
from models.picture_layouts import LAYOUTS
from models.pictured_input import PicturedInputBuilder
from models.request import Request
from tests.helpers.picture_models import build_text_picture

TITLE = "Texts with pictures"
COLUMNS = ("family", "class", "capture", "decoder, layers x heads", "grids of patches", "weights")
ABOUT = """\
These were built small with their own processors, and read a text and a picture of 80 x 50 pixels. *weights* is the
worst difference of any weight over the tokens of the text and the patches, ours against eager's, in the ordinary
forward pass, whose vision encoder is computed by SDPA. Processors resize with PIL here; torchvision, where it is
installed, may differ in the last bits of a pixel.
"""
OTHERS = """\
These families also read pictures and are not read so here, because Headlight does not know where they put the patches
of a picture among their tokens, or because none of their tokens is a patch (a resampler has none). Those that are
traced above are opened as models of text, with a notice that says why: {names}.
"""


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the row of each family whose pictures are read."""
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 255, (50, 80, 3)).astype(np.uint8))
    for family in sorted(LAYOUTS):
        with tempfile.TemporaryDirectory() as folder:
            yield row(family, build_text_picture(family, Path(folder)), picture)


def row(family: str, folder: Path, picture: Image.Image) -> tuple[str, ...]:
    """Return the row of a family that is saved in a folder."""
    model = load_model(folder, device="cpu")
    attention = model.trace("The cat sat on the mat.", image=picture)["decoder"]
    plain = AutoModelForImageTextToText.from_pretrained(folder, attn_implementation="eager").eval()
    builder = model._inputs
    assert isinstance(builder, PicturedInputBuilder)
    inputs = builder.stack([builder.tokenize(Request(text="The cat sat on the mat.", image=picture))], 0)
    with torch.inference_mode():
        expected = plain.model(**inputs, output_attentions=True, use_cache=False).attentions
    worst = max(
        float(np.abs(attention.layer(number) - weights[0].numpy()).max()) for number, weights in enumerate(expected)
    )
    grids = [f"{grid.rows} x {grid.columns}" for grid in attention.key_patches]
    named = ", ".join(f"{grids.count(grid)} of {grid}" for grid in dict.fromkeys(grids))
    sizes = f"{attention.n_layers} x {attention.n_heads}"
    return family, type(model.module).__name__, model.card.capture, sizes, named, order(worst)


def order(difference: float) -> str:
    """Return a difference rounded up to a power of ten; 0 where there is none."""
    return "0" if difference == 0 else f"1e{int(np.ceil(np.log10(difference)))}"


def not_read() -> str:
    """Return the paragraph on the families whose pictures are not read."""
    names = sorted(set(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES) - set(LAYOUTS))
    return OTHERS.format(names=", ".join(names))
