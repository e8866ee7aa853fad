"""Attention built by hand, for pictures and measures whose correct result is known without a model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from models import Attention, Source, Token
from models.capture.replay import MaterialisedLayer, Replay

# Different primes, so that a swapped axis or a wrong reshape fails a test.
N_LAYERS, N_HEADS, N_QUERY, N_KEY = 2, 3, 5, 7

# Text that a visitor may paste: markup, TeX, Markdown, entities, scripts that combine or run from right to left.
HOSTILE = (
    "<s>",
    "<b>x</b>",
    "</script>",
    "<!--",
    "]]>",
    "$x$",
    r"$\frac",
    "_a_",
    "**b**",
    "&amp;",
    "%{x}",
    "猫坐在",
    "😀",
    "👩‍👩‍👧",
    "قطة",
    "חתול",
    "'\"",
)


def tokens(*texts: str, special: Sequence[int] = ()) -> tuple[Token, ...]:
    """Tokens whose display equals their text."""
    return tuple(Token(text, number, None, None, number in special, text) for number, text in enumerate(texts))


def source(text: str = "made by hand") -> Source:
    return Source("hand-made", "0", "none", "cpu", "float32", "materialised", text)


def attention(
    weights: np.ndarray,
    query_tokens: tuple[Token, ...] | None = None,
    key_tokens: tuple[Token, ...] | None = None,
    *,
    kind: str | None = None,
    causal: bool = False,
    text: str = "made by hand",
) -> Attention:
    """Attention with exactly these `weights`, [layer, head, query, key], or [query, key] of one head."""
    weights = np.asarray(weights, dtype=np.float32)
    if weights.ndim == 2:
        weights = weights[None, None]
    _, _, n_query, n_key = weights.shape
    query_tokens = query_tokens or tokens(*(f"q{number}" for number in range(n_query)))
    key_tokens = key_tokens or (query_tokens if n_query == n_key else tokens(*(f"k{n}" for n in range(n_key))))
    kind = kind or ("encoder" if n_query == n_key else "cross")
    layers = [MaterialisedLayer(torch.tensor(layer), causal) for layer in weights]
    return Attention(kind, layers, query_tokens, key_tokens, source(text))


def random_weights(*shape: int, seed: int = 0, sharpness: float = 2.0) -> np.ndarray:
    """Rows that sum to 1, `[..., query, key]`."""
    scores = np.random.default_rng(seed).normal(size=shape) * sharpness
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return (scores / scores.sum(-1, keepdims=True)).astype(np.float32)


def causal_attention(n: int, *, texts: Sequence[str] | None = None, seed: int = 0) -> Attention:
    """Decoder attention replayed from random queries and keys, `[1 layer, 2 heads, n, n]`."""
    random = torch.Generator().manual_seed(seed)
    query, key = (torch.randn(2, n, 11, generator=random) for _ in range(2))
    shown = tokens(*(texts or [f"t{number}" for number in range(n)]))
    return Attention("decoder", [Replay(query, key, 0.7, causal=True)], shown, shown, source())


def long_text() -> Attention:
    """A text of 131 pieces in 100 words, of which the first and the last are special."""
    texts = [f"w{number}" for number in range(131)]
    pieces = tuple(replace(token, word=min(at, 99)) for at, token in enumerate(tokens(*texts, special=[0, 130])))
    return attention(random_weights(2, 3, 131, 131), pieces, pieces)
