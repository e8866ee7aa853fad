"""The replay against the reference cases of ONNX's Attention operator, an oracle that others wrote.

Grouped heads, scales, masks (boolean, additive, short, for each head), soft caps, windows, caches, half types.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx.backend.test.case import node as onnx_cases
from onnx.reference.ops.op_attention import _compute_attention
from torch import Tensor, nn

from models.capture.interface import attention_forward, recording
from models.capture.replay import Replay

pytestmark = pytest.mark.slow
ALL = slice(None)
CASES_FILE = Path(onnx_cases.__file__).with_name("attention.py")
# Cases that are not run, each with the reason. A new case of onnx is run until it is named here.
LEFT_OUT: dict[str, str] = {}
NAMES = sorted(set(re.findall(r'name="(test_attention\w+)"', CASES_FILE.read_text(encoding="utf-8"))) - set(LEFT_OUT))
# ONNX rounds its weights to the type of the queries, of which half types have 11 and 8 bits.
TOLERANCE = {"float32": 2e-6, "float16": 2e-3, "bfloat16": 2e-2}
INPUTS = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")


@cache
def cases() -> dict[str, Any]:
    """Return the cases of the operator itself; `_expanded` ones are the same inputs through other operators."""
    found = onnx_cases.collect_testcases("Attention")
    return {case.name: case for case in found if not case.name.endswith("_expanded")}


def test_every_case_is_run_or_left_out_with_a_reason():
    assert set(cases()) == set(NAMES) | set(LEFT_OUT)
    assert len(NAMES) >= 90


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_those_of_onnx(name):
    given, options, expected_output, expected = read(name)
    query, key, value, mask = as_transformers_calls_it(given, options)
    causal = mask is None and bool(options.get("is_causal"))
    with recording(through_weights=True) as calls:
        output, _ = attention_forward(
            nn.Module(), query, key, value, mask, options.get("scale"), softcap=options.get("softcap"), is_causal=causal
        )
    tolerance = TOLERANCE[given["Q"].dtype.name]
    (call,) = calls
    for row, replay in enumerate(call.replays):
        sees = keys_seen(replay)
        weights = torch.from_numpy(expected[row].astype(np.float32))
        difference = (replay.rows(ALL, ALL) - weights).abs()[sees]
        assert not sees.any() or float(difference.max()) <= tolerance
        # ONNX gives a query that may attend to no key weights of 0; ours says so in its mask.
        assert not weights[~sees].any()
        ours = output[row].float().transpose(0, 1)[sees]
        theirs = torch.from_numpy(expected_output[row].astype(np.float32))[sees]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=4 * tolerance)


def keys_seen(replay: Replay) -> Tensor:
    """Return which queries of each head may attend to any key, `[head, query]`."""
    allowed = replay.allowed(ALL, ALL)
    n_heads, n_query, _ = replay.shape
    return torch.ones(n_heads, n_query, dtype=torch.bool) if allowed is None else allowed.any(-1).expand(n_heads, -1)


def read(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any], np.ndarray, np.ndarray]:
    """Return inputs and attributes of a case by name, its output and its weights, both `[row, head, query, ...]`."""
    case = cases()[name]
    (node,), (data,) = case.model.graph.node, case.data_sets
    options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    present = [one for one in node.input if one]
    given = dict(zip(present, data[0], strict=True))
    assert set(given) <= set(INPUTS)
    named = {**options, "qk_matmul_output_mode": 3}
    output, _, _, weights = _compute_attention(**given, **named)
    outputs = dict(zip([one for one in node.output if one], data[1], strict=True))
    np.testing.assert_array_equal(output, outputs["Y"])  # the case's own output, not a new one
    if options.get("qk_matmul_output_mode") == 3:
        np.testing.assert_array_equal(weights, outputs["qk_matmul_output"])
    if output.ndim == 3:
        output = output.reshape(*output.shape[:2], options["q_num_heads"], -1).transpose(0, 2, 1, 3)
    return given, options, output, weights


def as_transformers_calls_it(
    given: dict[str, np.ndarray], options: dict[str, Any]
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return queries, keys and values `[row, head, position, d_head]`, and the whole mask `[row, head, query, key]`.

    The mask is None if nothing is masked, or only later keys without a cache.
    """
    query, key, value = (as_tensor(given[name]) for name in ("Q", "K", "V"))
    if query.dim() == 3:
        heads = (options["q_num_heads"], options["kv_num_heads"], options["kv_num_heads"])
        query, key, value = (
            one.unflatten(-1, (n, -1)).transpose(1, 2) for one, n in zip((query, key, value), heads, strict=True)
        )
    offset: Any = 0
    if "past_key" in given:
        offset = given["past_key"].shape[2]
        key, value = (
            torch.cat([as_tensor(given[past]), one], dim=2) for past, one in (("past_key", key), ("past_value", value))
        )
    shape = (query.shape[0], 1, query.shape[2], key.shape[2])
    places = [torch.arange(n).view(view) for n, view in ((shape[2], (1, 1, -1, 1)), (shape[3], (1, 1, 1, -1)))]
    allowed = torch.ones(shape, dtype=torch.bool)
    if "nonpad_kv_seqlen" in given:
        n_keys = torch.from_numpy(given["nonpad_kv_seqlen"]).view(-1, 1, 1, 1)
        offset = n_keys - shape[2]
        allowed = allowed & (places[1] < n_keys)
    ahead = places[1] - places[0] - offset
    left, right = options.get("left_window_size", -1), options.get("right_window_size", -1)
    for on, seen in ((options.get("is_causal"), ahead <= 0), (left >= 0, -ahead <= left), (right >= 0, ahead <= right)):
        allowed = allowed & seen if on else allowed
    mask = merge(allowed, given.get("attn_mask"), shape[3], query.dtype)
    plain = {"attn_mask", "past_key", "nonpad_kv_seqlen"} & given.keys() or left >= 0 or right >= 0
    return query, key, value, mask if plain else None


def merge(allowed: Tensor, given: np.ndarray | None, n_key: int, dtype: torch.dtype) -> Tensor:
    """Return what is allowed together with a mask that may have fewer axes or keys."""
    if given is None:
        return allowed
    mask = as_tensor(given)
    missing = n_key - mask.shape[-1]
    if mask.dtype == torch.bool:
        return allowed & nn.functional.pad(mask, (0, missing), value=False)
    return nn.functional.pad(mask, (0, missing), value=-torch.inf).to(dtype).masked_fill(~allowed, -torch.inf)


def as_tensor(array: np.ndarray) -> Tensor:
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).bfloat16()
    return torch.from_numpy(array.copy())
