"""Calls of the public functions with wrong values for each argument, in a process without the tests' type checks.

`python -m tests.hostile.public_calls` prints each call that ended with an error of Python, as a line of JSON.

To add an input: add its function to `calls`, with arguments that work, or a value to `WRONG`.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import torch
import transformers
from PIL import Image
from torch import nn

import analysis
import models
import viz
from models.capture.cost import Budget
from tests.helpers import chat_templates, small_models, sound_models

HUGE = 10**30


def closed_file() -> io.BytesIO:
    file = io.BytesIO(b"a")
    file.close()
    return file


def closed_picture() -> Image.Image:
    picture = Image.new("RGB", (8, 8))
    picture.close()
    return picture


# Made anew for each call, because a call may use them up.
WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "-1": lambda: -1,
    "0": lambda: 0,
    "a million": lambda: 10**6,
    "huge": lambda: HUGE,
    "-huge": lambda: -HUGE,
    "1.5": lambda: 1.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "complex": lambda: 1j,
    "empty text": lambda: "",
    "text": lambda: "no such thing",
    "null": lambda: "a\0b",
    "surrogate": lambda: "\ud800",
    "long text": lambda: "a" * 3000,
    "bytes": lambda: b"abc",
    "empty list": list,
    "numbers": lambda: [1, 2],
    "texts": lambda: ["a", "b"],
    "mixed": lambda: ["a", None, 3],
    "nested": lambda: [["a"], [["b"]]],
    "tuple": lambda: (0, 0),
    "pairs": lambda: [(0, 0), (99, 99)],
    "set": lambda: {3, "a"},
    "dict": lambda: {"a": 1},
    "messages": lambda: [{"role": 3}],
    "object": object,
    "class": lambda: int,
    "function": lambda: lambda: None,
    "generator": lambda: (n for n in range(3)),
    "int64": lambda: np.int64(-3),
    "float16": lambda: np.float16(0.3),
    "bool_": lambda: np.bool_(True),
    "no numbers": lambda: np.zeros((0, 3)),
    "array": lambda: np.zeros((2, 3, 4, 5)),
    "NaN array": lambda: np.full((3, 3), np.nan, np.float32),
    "objects": lambda: np.array([object(), None]),
    "tensor": lambda: torch.zeros(2, 2),
    "meta tensor": lambda: torch.zeros(2, 2, device="meta"),
    "module": lambda: nn.Linear(2, 2),
    "closed file": closed_file,
    "closed picture": closed_picture,
    "path": lambda: Path("/no/such/file"),
    "folder": lambda: Path("/"),
    "no such folder": lambda: "/no/such/folder/a.csv",
    "slice": lambda: slice(5, 1, -1),
    "text slice": lambda: slice("a", "b"),
    "range": lambda: range(90, 95),
    "error": lambda: ValueError("a"),
}
CALLED, CALLABLES = {"progress", "on_layer_output"}, {"class", "function", "module"}
Call = tuple[Callable[..., Any], tuple, dict[str, Any]]


def calls(folder: Path) -> Iterator[tuple[str, Call]]:
    """Yield each public function with arguments that work."""
    encoder = models.load_model(str(small_models.build("bert", folder / "bert")))
    both = models.load_model(str(small_models.build("t5", folder / "t5")))
    writer = _writing(folder)
    seeing = _seeing(folder / "vit")
    trace, picture = encoder.trace("The cat sat."), seeing.trace(image=Image.new("RGB", (30, 20)))
    att = trace["encoder"]
    yield from _of_models(encoder, both, writer, seeing, folder)
    yield from _of_attention(att, trace)
    yield from _of_analysis(att)
    yield from _of_gradients(encoder, both, trace)
    yield from _of_maps(encoder, att)
    yield from _of_trust(encoder, trace)
    yield from _of_viz(att, trace, picture, folder)
    yield from _of_sounds_and_conversations(folder)


def _writing(folder: Path) -> models.Model:
    small_models.build("gpt2", folder / "gpt2")
    module = transformers.AutoModelForCausalLM.from_pretrained(folder / "gpt2").eval()
    return models.load_model(module, transformers.AutoTokenizer.from_pretrained(folder / "gpt2"))


def _seeing(folder: Path) -> models.Model:
    size = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    transformers.ViTModel(transformers.ViTConfig(**size, image_size=32, patch_size=8)).save_pretrained(folder)
    transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return models.load_model(folder)


def _of_models(
    encoder: models.Model, both: models.Model, writer: models.Model, seeing: models.Model, folder: Path
) -> Iterator[tuple[str, Call]]:
    owned = transformers.AutoModel.from_pretrained(folder / "bert")
    loading = {"images": None, "revision": None, "device": "cpu", "dtype": "float32"}
    yield "load_model", (models.load_model, (folder / "bert",), loading)
    yield "head_table_of_texts", (analysis.head_table_of_texts, (encoder, ["a b"]), {"kind": "encoder", "batch": 1})
    yield "induction_table", (analysis.induction_table, (encoder,), {"ids": [5, 6, 5], "length": 3, "kind": ""})
    yield "load_model in memory", (models.load_model, (owned, encoder.tokenizer), {"images": None})
    common = {"text_pair": None, "add_special_tokens": True, "budget": Budget(), "progress": None}
    changes = {"ablate": {(0, 1): "zero"}, "mask_tokens": [1]}
    yield "trace", (encoder.trace, ("The cat.",), {**common, **changes, "on_layer_output": None})
    yield "effects", (analysis.effects, (encoder, "cat", "zero", [(0, 1)]), {**changes, "kind": None})
    yield "token_effects", (analysis.token_effects, (encoder, "cat"), changes)
    asked = {"messages": None, "src_lang": None, "tgt_lang": None, "image": None, "audio": None, "target": None}
    yield "trace, all inputs", (encoder.trace, ("The cat.",), asked)
    yield "trace of a pair", (encoder.trace, ("The cat.",), {"text_pair": "A dog."})
    yield "trace with a target", (both.trace, ("The cat.",), {"target": "A dog."})
    yield "trace with a continuation", (writer.trace, ("The cat.",), {"generate": 2})
    yield "trace of a picture", (seeing.trace, (), {"image": Image.new("RGB", (9, 9))})
    yield "estimate", (encoder.estimate, ("The cat.",), {"text_pair": None, "generate": 0, "target": None})
    yield "estimate of a picture", (seeing.estimate, (), {"image": Image.new("RGB", (9, 9))})
    yield (
        "trace_batch",
        (
            both.trace_batch,
            (["a cat", "a dog"],),
            {"targets": None, "ablate": None, "mask_tokens": None, "budget": None},
        ),
    )
    yield "attend_batch", (both.attend_batch, (["a cat", "a dog"],), {"kind": "encoder"})
    yield "Card.kind", (encoder.card.kind, ("encoder",), {})
    options = {"tokens": None, "target_tokens": None, "item": 0}
    x = torch.randn(5, 2, 8)
    yield "trace_module", (models.trace_module, (nn.MultiheadAttention(8, 2), x, x, x), options)
    yield "head_internals", (models.head_internals, (encoder, "The cat.", 0, 1), {"kind": None, "target": None})


def _of_attention(att: models.Attention, trace: models.AttentionTrace) -> Iterator[tuple[str, Call]]:
    block = {"queries": slice(None), "keys": [0, 1]}
    yield "Attention.weights", (att.weights, (0, 1), block)
    yield "Attention.layer", (att.layer, (0,), block)
    yield "Attention.mask", (att.mask, (0, 1), block)
    yield "Attention.pooled", (att.pooled, (0, 1, 8), {"queries": slice(0, 3), "keys": slice(None)})
    for name in ("heads_in", "replay", "key_heads", "layer_mask"):
        yield f"Attention.{name}", (getattr(att, name), (0,), {})
    for name in ("pooled_layer", "pooled_mask"):
        yield f"Attention.{name}", (getattr(att, name), (0, 8), {})
    yield "Attention.pooled_layers", (att.pooled_layers, (8,), {})
    yield "Attention.hide", (att.hide, (), {"special": True, "first": False, "renormalise": True})
    yield "Attention.combine", (att.combine, ([(0, 0), (1, 1)], "mean"), {"name": ""})
    yield "Attention.words", (att.words, (), {})
    for name in ("head_name", "head_number"):
        yield f"Attention.{name}", (getattr(att, name), (0, 1), {})
    trace.save("trace.npz")
    yield "AttentionTrace.save", (trace.save, ("trace.json",), {})
    yield "AttentionTrace.load", (models.AttentionTrace.load, ("trace.npz",), {"max_bytes": None})
    yield "AttentionTrace[]", (trace.__getitem__, ("encoder",), {})
    tokens = att.query_tokens
    made = (att.kind, [att.layer(0)], tokens, tokens, att.source)
    yield "Attention", (models.Attention, made, {"key_patches": (), "annotations": None})
    given = ([att.layer(0).tolist()], [token.text for token in tokens])
    yield "Attention.from_weights", (models.Attention.from_weights, given, {"key_tokens": None, "kind": "encoder"})
    batch = ([att.layer(0)[None]], tokens, tokens, "cross")
    yield "Attention.from_weights of a batch", (models.Attention.from_weights, batch, {"row": 0})
    yield "AttentionTrace.of", (models.AttentionTrace.of, (att,), {})
    yield "AttentionTrace", (models.AttentionTrace, ({"encoder": att}, (), att.source), {"image": None})


def _of_analysis(att: models.Attention) -> Iterator[tuple[str, Call]]:
    weights = att.weights(0, 1)
    yield "head_table", (analysis.head_table, (att,), {})
    yield "head_row", (analysis.head_row, (att, 0, 1), {"rows": 3})
    yield "label_patterns", (analysis.label_patterns, (analysis.head_table(att),), {})
    yield "find_heads", (analysis.find_heads, (analysis.head_table(att), "previous > 0"), {})
    yield "head_distance", (analysis.head_distance, (att,), {})
    yield "nearest_heads", (analysis.nearest_heads, (att, 0, 1), {"n": 1, "distance": None})
    yield "head_map", (analysis.head_map, (att,), {"distance": None})
    yield "shares", (analysis.shares, (att, 0, 1), {"without": [0], "rows": 3})
    yield "heads_for_pair", (analysis.heads_for_pair, (att, 0, 1), {"received": None})
    yield "heads_for_pairs", (analysis.heads_for_pairs, ([(att, 0, 1)],), {"received": None})
    yield "heads_for_token", (analysis.heads_for_token, (att, "query:1"), {"received": None})
    window = {"queries": range(3), "keys": range(2), "rows": 3}
    yield "strongest_pairs", (analysis.strongest_pairs, (att, 0, 1, 4), window)
    yield "visible_pairs", (analysis.visible_pairs, (weights, 0.1), {})
    yield "kept_mass", (analysis.kept_mass, (weights, 0.1), {})
    yield "HeadSet", (analysis.HeadSet, (((0, 1),),), {"everything": False})
    yield "HeadSet.parse", (analysis.HeadSet.parse, ("1.2",), {})
    for name in ("expand", "clamp", "describe"):
        yield f"HeadSet.{name}", (getattr(analysis.HeadSet.parse("1"), name), (att,), {})


def _of_gradients(
    encoder: models.Model, both: models.Model, trace: models.AttentionTrace
) -> Iterator[tuple[str, Call]]:
    options = {"rollout": True, "normalise": True, "kind": "encoder", "progress": None, "budget": Budget()}
    yield "gradient_attention", (analysis.gradient_attention, (encoder, "The cat.", "embedding"), options)
    yield (
        "gradient_attention of a decoder",
        (
            analysis.gradient_attention,
            (both, "The cat."),
            {"decoder_text": "A dog.", "target": "token:7@1"},
        ),
    )
    common = {"progress": None, "budget": Budget(), "text_pair": None, "mask_tokens": None}
    yield "blank_out", (analysis.blank_out, (encoder, "The cat."), common)
    yield "targets_of", (analysis.targets_of, (trace,), {})


def _of_maps(encoder: models.Model, att: models.Attention) -> Iterator[tuple[str, Call]]:
    yield "value_weighted", (analysis.value_weighted, (encoder, "The cat."), {"kind": None, "normalise": True})
    for function in (analysis.rollout, analysis.attention_flow):
        yield function.__name__, (function, (att,), {"residual": 0.5, "heads": "mean"})
    wanted = {"target": "", "progress": None, "budget": None, "normalise": True}
    inputs = {"text": "The cat sat."}
    yield "derive", (analysis.derive, ("value-weighted", att, encoder), {"inputs": inputs, **wanted})
    yield "derive of an attention", (analysis.derive, ("rollout", att), {"progress": None})
    method = analysis.METHODS["value-weighted"]
    for name in ("refusal", "fits", "estimate"):
        yield f"Method.{name}", (getattr(method, name), (att, encoder), {})
    yield "Method.refuse_model", (method.refuse_model, (encoder,), {})
    yield "difference", (analysis.difference, (att, att), {})
    yield "Attention.derived", (att.derived, (att.layers, "rollout", ("A notice.",)), {})
    yield "Attention.annotated", (att.annotated, (), {"goal": "class:1"})
    yield "Model.role_of", (encoder.role_of, ("encoder",), {})


def _of_trust(encoder: models.Model, trace: models.AttentionTrace) -> Iterator[tuple[str, Call]]:
    yield "check_trace", (analysis.check_trace, (trace, encoder), {"every_row": True, "progress": None})
    for name in ("check_with_eager", "check_against_random", "check_norms"):
        yield name, (getattr(analysis, name), (encoder, trace), {"progress": None})


def _of_viz(
    att: models.Attention, trace: models.AttentionTrace, picture: models.AttentionTrace, folder: Path
) -> Iterator[tuple[str, Call]]:
    views = {"unit": "pieces", "heads": "", "combine": "overlay", "options": None}
    one = {"layer": 0, "head": 1, **views}
    yield "heatmap", (viz.heatmap, (att,), {**one, "region": "0-1:0-1"})
    yield "flow", (viz.flow, (att,), {**one, "token": "query:1", "region": None})
    whole = {name: one[name] for name in ("layer", "head", "unit", "heads", "options")}
    yield "grid", (viz.grid, (att,), whole)
    yield "patches", (viz.patches, (picture["encoder"], picture.image, 0, 1), {"token": None, "options": None})
    yield "show", (viz.show, (trace, 0, 1), {**views, "kind": None, "token": None, "region": None, "height": 300})
    chosen = {**one, "token": None, "region": None, "maps": None, "image": None, "width": None}
    yield "export", (viz.export, (att, "table", "csv"), chosen)
    yield "save", (viz.save, (att, "table", folder / "table.csv"), {"layer": 0, "head": 1})
    table, drawn = analysis.head_table(att), {"colour": "layer", "find": "previous > 0.1", "options": None}
    yield "heads_grid", (viz.heads_grid, (table,), {"measure": "first", "find": "", "options": None})
    yield "heads_scatter", (viz.heads_scatter, (table, "first", "previous"), drawn)
    places = analysis.head_map(att)
    yield "heads_map", (viz.heads_map, (places, table), drawn)
    saved = {**drawn, "att": att, "places": places, "measure": "first", "x": "first", "y": "self", "width": None}
    yield "save_heads", (viz.save_heads, (table, "map", folder / "map.svg"), saved)
    drawn = {"threshold": 0.1, "palette": "blues", "scale": "linear", "truth": True, "special": "show"}
    yield "DrawOptions", (viz.DrawOptions, (), {**drawn, "sink": "show", "renormalise": False})


def _of_sounds_and_conversations(folder: Path) -> Iterator[tuple[str, Call]]:
    hearing = models.load_model(sound_models.save_whisper(folder / "whisper"))
    heard = hearing.trace(audio=sound_models.vowels(0.5), target="a")
    yield "trace of a sound", (hearing.trace, (), {"audio": sound_models.vowels(0.5), "target": "a"})
    yield "estimate of a sound", (hearing.estimate, (), {"audio": sound_models.vowels(0.5), "target": "a"})
    yield "sound", (viz.sound, (heard["cross"], 0, 1), {"token": "query:1", "options": None})
    talking = models.load_model(chat_templates.save_chat_model(folder / "chat"))
    yield "trace of a conversation", (talking.trace, (), {"messages": [{"role": "user", "content": "The cat."}]})


def failures(name: str, call: Call) -> Iterator[dict[str, str]]:
    """Yield each wrong value of each argument that ends with an error of Python."""
    function, args, kwargs = call
    places: list[int | str] = [*range(len(args)), *kwargs]
    function(*args, **kwargs)  # these work
    for place in places:
        for what, make in WRONG.items():
            if (place in CALLED and what in CALLABLES) or (name == "trace_module" and isinstance(place, int)):
                continue  # the errors of what is called, such as a module's forward, are its owner's
            given, named = list(args), dict(kwargs)
            if isinstance(place, int):
                given[place] = make()
            else:
                named[place] = make()
            error = _error_of(function, given, named)
            if error is not None:
                yield {"call": name, "argument": str(place), "value": what, "error": error}


def _error_of(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> str | None:
    try:
        result = function(*args, **kwargs)
        if inspect.isgenerator(result):
            list(result)
    except models.HeadlightError as error:
        message = str(error)
        # The address of an object is a word; the name of a temporary folder may contain "0x".
        one_sentence = message and "\n" not in message and len(message) < 900 and not re.search(r"\b0x", message)
        return None if one_sentence else f"a bad sentence: {message[:200]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:120]}"
    return None


def main(only: list[str]) -> None:
    """Print the failures of all calls, or of those that are named."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        for call_name, call in calls(Path(name)):
            if not only or call_name in only:
                for failure in failures(call_name, call):
                    print(json.dumps(failure), flush=True)
                print(json.dumps({"done": call_name, "function": call[0].__qualname__}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
