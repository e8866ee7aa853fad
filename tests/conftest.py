"""What every test needs: the named axes are checked, and nothing asks a network."""

import os
from logging import getLogger

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from jaxtyping import install_import_hook

with install_import_hook(["models", "analysis", "viz"], "beartype.beartype"):
    import models

import pytest
import torch
from hypothesis import settings
from transformers.utils import logging

# A run tells of the code that changed, not of the dice; `pytest --hypothesis-profile=explore` throws them.
settings.register_profile("same every time", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=3000, deadline=None)
settings.load_profile("same every time")

logging.disable_progress_bar()
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _log_again():
    """The command line silences our log for its process, which here is that of every later test."""
    log = getLogger("headlight")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture(scope="session")
def minilm() -> "models.Model":
    """The real bundled encoder, 6 layers x 12 heads."""
    return models.load_model("minilm")
