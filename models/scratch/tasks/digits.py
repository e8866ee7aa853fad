"""Handwritten digits: a small vision transformer on real data, the 1,797 pictures that come with scikit-learn.

Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository: 8 x 8 pixels
of 17 grey levels. No attention is known to be right here, so there is no truth to compare a head with.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel, ViTImageProcessorPil

from models.errors import NoText
from models.scratch.tasks.settings import Settings
from models.scratch.tasks.task import Batch, Task
from models.scratch.vision import ScratchVisionConfig, ScratchVisionEncoder

SIDE = 8
# Every fifth picture is never trained on.
_HELD_OUT = 5
_DARKEST = 16


class Digits(Task):
    """Say which digit a picture shows."""

    def network(self, settings: Settings) -> PreTrainedModel:
        """Return a new vision transformer."""
        sizes = {name: value for name, value in self.sizes(settings).items() if name != "vocab_size"}
        labels = dict(enumerate(self.labels))
        return ScratchVisionEncoder(ScratchVisionConfig(**sizes, image_size=SIDE, patch_size=2, id2label=labels))

    def solve(self, text: str) -> None:
        """Return None: no text is a picture."""
        del text

    def save_reader(self, folder: Path) -> None:
        """Write the image processor, which makes any picture readable for the network, into the network's folder."""
        middle = [0.5, 0.5, 0.5]
        size = {"height": SIDE, "width": SIDE}
        ViTImageProcessorPil(size=size, image_mean=middle, image_std=middle).save_pretrained(folder)

    def draw(self, random: Random, n_samples: int, *, held_out: bool = False) -> Batch:
        """Return pictures `[row, 3, 8, 8]` from -1 to 1; training pictures are shifted by up to a pixel."""
        pictures, labels = _data()
        numbers = np.arange(len(labels))
        allowed = numbers[(numbers % _HELD_OUT == 0) == held_out]
        chosen = allowed[:n_samples] if held_out else np.array(random.choices(allowed.tolist(), k=n_samples))
        pixels = pictures[chosen]
        if not held_out:
            pixels = torch.stack([_shift(one, random.randint(-1, 1), random.randint(-1, 1)) for one in pixels])
        return {"pixel_values": pixels[:, None].expand(-1, 3, -1, -1), "labels": labels[chosen]}

    def watched_batch(self, text: str) -> Batch:
        """Return one picture that is never trained on, by its number ("" is the first picture).

        Raises:
            NoText: there is no picture with this number.
        """
        pictures, labels = _data()
        n_pictures = -(-len(labels) // _HELD_OUT)
        if text and not (text.isdecimal() and len(text) < 9 and int(text) < n_pictures):
            raise NoText(f"There is no picture {text[:40]!r} to watch: give a number from 0 to {n_pictures - 1}.")
        number = _HELD_OUT * int(text or 0)
        return {"pixel_values": pictures[None, number, None].expand(-1, 3, -1, -1), "labels": labels[number, None]}

    def watched_queries(self, text: str) -> list[int]:
        """Return the class token, which gives the answer."""
        return [0]

    def loss(self, network: PreTrainedModel, batch: Batch) -> Float[Tensor, ""]:
        """Return the mean cross-entropy of the classes in nats."""
        return functional.cross_entropy(self.outputs(network, batch), batch["labels"], label_smoothing=0.05)

    def judge(self, network: PreTrainedModel, batch: Batch) -> Bool[Tensor, " row"]:
        """Return which pictures are classified correctly."""
        return self.outputs(network, batch).argmax(-1) == batch["labels"]

    def classify(
        self, network: PreTrainedModel, picture: UInt8[np.ndarray, "row column 3"]
    ) -> tuple[str, Float[np.ndarray, " label"]]:
        """Return the digit that a network sees in a picture of 8 x 8 pixels, and the probabilities of all ten."""
        pixels = torch.tensor(picture, dtype=torch.float32).movedim(-1, 0)[None] / 127.5 - 1
        pixels = pixels.to(network.device, network.dtype)
        with torch.inference_mode():
            probabilities = self.outputs(network, {"pixel_values": pixels})[0].float().softmax(-1).cpu().numpy()
        return self.labels[int(probabilities.argmax())], probabilities


@cache
def _data() -> tuple[Float[Tensor, "picture row column"], Tensor]:
    from sklearn.datasets import load_digits  # not at the top: it takes a second, and only this task needs it

    pictures, labels = load_digits(return_X_y=True)
    # Rounded to 256 levels as in a picture file, so that a file gives the network the same numbers.
    levels = np.round(pictures.reshape(-1, SIDE, SIDE) * (255 / _DARKEST)) / 255
    return torch.tensor(2 * levels - 1, dtype=torch.float32), torch.tensor(labels)


def _shift(picture: Float[Tensor, "row column"], down: int, right: int) -> Float[Tensor, "row column"]:
    around = functional.pad(picture, (1, 1, 1, 1), value=-1.0)
    return around[1 - down : 1 - down + SIDE, 1 - right : 1 - right + SIDE]


def n_unseen() -> int:
    """Return how many pictures are never trained on."""
    return -(-len(_data()[1]) // _HELD_OUT)


def unseen_picture(number: int) -> UInt8[np.ndarray, "row column"]:
    """Return a picture that is never trained on, as grey levels of 0 to 255."""
    return ((_data()[0][_HELD_OUT * number] + 1) * 127.5).round().to(torch.uint8).numpy()


def unseen_answer(number: int) -> str:
    """Return the digit in a picture that is never trained on."""
    return str(int(_data()[1][_HELD_OUT * number]))


DIGITS = Digits(
    name="digits",
    title="Handwritten digits",
    rule="Say which digit the picture shows.",
    looks="At the strokes and not at the paper; no position is known to be the right one.",
    kind="encoder",
    alphabet=(),
    labels=tuple("0123456789"),
    examples=(),
    settings=Settings(n_layers=3, steps=2500, dropout=0.1),
)
