"""The architecture of a configuration with random weights, as its own class initialises them."""

from __future__ import annotations

import copy

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from models.checkpoints.architectures import build_untrained

_SEED = 20
# A model with more bytes of weights is built with its first layers only: random layers are alike.
MOST_BYTES, FEW_LAYERS = 200_000_000, 2


def shorten(config: PreTrainedConfig, n_layers: int, n_parameters: int) -> tuple[PreTrainedConfig, int]:
    """Return a copy in float32, with few layers if the model is large, and its number of layers.

    Configurations of several parts keep all layers.
    """
    config = copy.deepcopy(config)
    config.dtype = torch.float32
    name = "num_hidden_layers"
    is_simple = config.get_text_config() is config and not config.is_encoder_decoder
    small = 4 * n_parameters <= MOST_BYTES
    if small or not is_simple or getattr(config, name, None) != n_layers or n_layers <= FEW_LAYERS:
        return config, n_layers
    for each, value in list(vars(config).items()):  # one entry for each layer, such as layer_types
        if isinstance(value, list) and len(value) == n_layers:
            setattr(config, each, value[:FEW_LAYERS])
    setattr(config, name, FEW_LAYERS)
    return config, FEW_LAYERS


def count_parameters(config: PreTrainedConfig) -> int:
    """Return how many weights the model has; nothing is allocated."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_untrained(config).parameters())


def build_at_random(config: PreTrainedConfig) -> PreTrainedModel:
    """Return the model in evaluation mode; the random numbers of other code stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        built = build_untrained(config)
    return built.float().eval()
