"""Text to attention: load a model, trace a text, look at any head. Knows nothing of plots or pages."""

from models.capture.torch_modules import trace_module
from models.card import Card
from models.checkpoints.load import load_model
from models.errors import HeadlightError
from models.model import Model
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
    "load_model",
    "trace_module",
]
