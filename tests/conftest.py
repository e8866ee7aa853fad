"""What every test needs: the named axes are checked, and nothing asks a network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from jaxtyping import install_import_hook

with install_import_hook(["models", "analysis", "viz"], "beartype.beartype"):
    import models

import pytest
import torch
from transformers.utils import logging

logging.disable_progress_bar()
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def minilm() -> "models.Model":
    """The real bundled encoder, 6 layers x 12 heads."""
    return models.load_model("minilm")
