"""Text to attention: load a model, trace a text, read the weights of any head. Knows nothing of figures or pages."""

from models.capture.head_internals import head_internals
from models.capture.torch_modules import trace_module
from models.card import Card
from models.checkpoints.load import load_model
from models.errors import HeadlightError
from models.model import Model

# They register themselves with transformers, so that load_model opens them like any other model.
from models.scratch import networks as _networks  # noqa: F401
from models.scratch import vision as _vision  # noqa: F401
from models.tokens import Token
from models.trace import Attention, AttentionTrace, Source

__all__ = [
    "Attention",
    "AttentionTrace",
    "Card",
    "HeadlightError",
    "Model",
    "Source",
    "Token",
    "head_internals",
    "load_model",
    "trace_module",
]
