"""Text to attention: load a model, trace a text, read the weights of any head. Knows nothing of figures or pages."""

from models.capture.head_internals import head_internals
from models.capture.torch_modules import trace_module
from models.card import Card
from models.checkpoints.load import load_model
from models.errors import HeadlightError
from models.model import Model

# Importing it registers the networks of models/scratch with transformers, as `load_model` needs.
from models.scratch import auto_classes as _auto_classes  # noqa: F401
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
