"""A vision transformer of the same layers as models/scratch/networks.py: patches of a picture instead of tokens."""

from __future__ import annotations

from typing import no_type_check

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.modeling_outputs import ImageClassifierOutput

from models.scratch.layers import LearnedPositions
from models.scratch.networks import Network, ScratchEncoderConfig


@no_type_check
class ScratchVisionConfig(ScratchEncoderConfig):
    """Sizes of an encoder over the patches of a picture."""

    model_type = "headlight_vision"

    image_size: int = 8
    patch_size: int = 2
    num_channels: int = 3


class ScratchVisionEncoder(Network):
    """Patches of a picture after a class token in, a class out (Dosovitskiy et al. 2021, arXiv:2010.11929)."""

    config_class = ScratchVisionConfig
    main_input_name = "pixel_values"
    input_modalities = "image"

    def __init__(self, config: ScratchVisionConfig) -> None:
        super().__init__(config)
        if config.image_size % config.patch_size:
            raise ValueError(f"Patches of {config.patch_size} do not divide a picture of {config.image_size} pixels.")
        n_patches = (config.image_size // config.patch_size) ** 2
        self.embedding = nn.Linear(config.num_channels * config.patch_size**2, config.hidden_size)
        self.class_token = nn.Parameter(torch.empty(config.hidden_size))
        self.positions = LearnedPositions(n_patches + 1, config.hidden_size)
        self.encoder = self._encoder()
        self.output = nn.Linear(config.hidden_size, config.n_outputs)
        self._use_interface()
        self.post_init()

    def forward(
        self, pixel_values: Float[Tensor, "batch channel row column"], output_attentions: bool = False
    ) -> ImageClassifierOutput:
        """Return the logits of classes `[batch, n_outputs]`.

        Raises:
            ValueError: a picture of another size.
        """
        size, side = self.config.patch_size, self.config.image_size
        if pixel_values.shape[-2:] != (side, side):
            raise ValueError(f"Expected pictures of {side} x {side} pixels, but {tuple(pixel_values.shape[-2:])} came.")
        patches = pixel_values.unfold(2, size, size).unfold(
            3, size, size
        )  # [batch, channel, down, across, row, column]
        x = self.embedding(patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2))
        x = self.positions(torch.cat([self.class_token.expand(len(x), 1, -1), x], dim=1))
        x, weights = self.encoder(x)
        return ImageClassifierOutput(
            logits=self.output(x[:, 0]), attentions=tuple(weights) if output_attentions else None
        )
