"""The format as docs/trace-format.md describes it, read and written by another language; and what does not fit it."""

import base64
import json
import re
from copy import deepcopy

import numpy as np
import pytest

from models import AttentionTrace
from models.errors import BadTrace
from tests.helpers.hand_made import attention, random_weights
from tests.helpers.node import node
from tests.helpers.paths import ROOT

DOCUMENT = (ROOT / "docs" / "trace-format.md").read_text(encoding="utf-8")
SMALLEST = re.search(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[1]
JAVASCRIPT = re.search(r"```js\n(.*?)```", DOCUMENT, re.DOTALL)[1]


def load(folder, document) -> AttentionTrace:
    path = folder / "it.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return AttentionTrace.load(path)


def test_the_smallest_trace(tmp_path):
    trace = load(tmp_path, "\ufeff" + SMALLEST)  # as some editors save it
    att = trace["encoder"]
    assert [token.text for token in att.key_tokens] == ["the", "cat"]
    assert np.array_equal(att.layer(0), np.float32([[[0.9, 0.1], [0.5, 0.5]]]))
    assert (trace.source.capture, trace.notices) == ("given", ())


def test_rows_that_do_not_sum_to_1_are_named_and_null_is_no_number(tmp_path):
    trace = load(tmp_path, SMALLEST.replace("0.9, 0.1", "0.4, 0.1").replace("[0.5, 0.5]", "[null, 0.5]"))
    assert "sum to 1" in " ".join(trace.notices)
    assert np.isnan(trace["encoder"].weights(0, 0)[1, 0])


def test_javascript_reads_and_writes_it(tmp_path):
    att = attention(random_weights(2, 3, 5, 5))
    AttentionTrace.of(att).save(tmp_path / "ours.json")
    ours, theirs = (json.dumps(str(tmp_path / name)) for name in ("ours.json", "theirs.json"))
    script = f"""
    const layers = [0, 1].map((layer) => readArray({ours}, "encoder", layer));
    writeTrace({theirs}, "encoder", ["a", "\U0001f600", "c", "d", "e"], layers);
    """
    node("--input-type=module", "--eval", JAVASCRIPT + script)
    read = AttentionTrace.load(tmp_path / "theirs.json")["encoder"]
    assert read.query_tokens[1].text == "\U0001f600"
    for layer in range(2):
        assert np.array_equal(read.layer(layer), att.layer(layer))


def whole() -> dict:
    """A trace of one layer of queries and keys with every field that the rows below spoil."""
    numbers = np.arange(2 * 3 * 2, dtype="<f4")
    array = {"dtype": "float32", "shape": [2, 3, 2], "base64": base64.b64encode(numbers.tobytes()).decode()}
    spans = {"dtype": "int32", "shape": [3], "base64": base64.b64encode(np.int32([1, 2, 3]).tobytes()).decode()}
    layer = {"query": "q", "key": "q", "scaling": 0.5, "mask": {"first": "s", "end": "s"}, "sinks": [0.5, 1]}
    tokens = {"text": ["a", "b", "c"], "start": [0, 1, 2], "end": [1, 2, 3]}
    return {
        "format": "headlight-trace",
        "version": 1,
        "attentions": {"encoder": {"query_tokens": tokens, "layers": [layer]}},
        "arrays": {"q": array, "s": spans},
    }


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("format", "x", 'no "format": "headlight-trace"; save the trace with AttentionTrace.save'),
        ("version", 2, "has version 2 of the format, this Headlight reads 1; install a newer Headlight"),
        ("version", True, "its version is no number from 1 to 1"),
        ("attentions", {}, "its attentions are none, expected encoder, decoder, cross"),
        ("attentions", {"self": 1}, "the trace: attentions self is 1, expected an object"),
        ("attentions.encoder.layer", 1, "has the field 'layer', expected query_tokens, layers"),
        ("attentions.encoder.layers", [], "encoder has 0 layers, expected 1 to 1,000"),
        ("attentions.encoder.query_tokens", ["a", "b"], "query is float32 .2, 3, 2., which does not fit"),
        ("attentions.encoder.query_tokens", ["a", "b", "\ud800"], "query_tokens has half a character"),
        ("attentions.encoder.query_tokens.start", [0, 5, 2], "have a token from character 5 to 2"),
        ("attentions.encoder.query_tokens.id", [1], "have 1 values of id for 3 tokens"),
        ("attentions.encoder.layers.0.scaling", 10**400, "layers: scaling is 1000"),
        ("attentions.encoder.layers.0.scaling", "1", "layers: scaling is '1', expected a finite number"),
        ("attentions.encoder.layers.0.softcap", -1, "has the softcap -1.0, expected more than 0"),
        ("attentions.encoder.layers.0.sinks", [1, 2, 3], "sinks is float32 .3., which does not fit"),
        ("attentions.encoder.layers.0.sinks", [[1], [2, 3]], "lists of numbers differ in length; give each head"),
        ("attentions.encoder.layers.0.sinks", ["1", "2"], "lists of numbers hold something else"),
        ("attentions.encoder.layers.0.key", "x", "it has no array 'x'"),
        ("attentions.encoder.layers.0.mask.first", "q", "runs that are not 3 pairs of whole numbers from 0 to 3"),
        ("attentions.encoder.head_numbers", [[[0, 1]]], "head_numbers are not one pair for each head"),
        ("arrays.q.dtype", "object", "has the type 'object', expected float16, float32"),
        ("arrays.q.shape", [2, 3, 0], "the array 'q' has the shape .2, 3, 0."),
        ("arrays.q.shape", [10**9, 10**9], "takes about .* TB of memory, and .* may be used; save fewer layers"),
        ("arrays.q.shape", [2, 3, 3], "base64 of 'q' has 64 characters, its shape and type need 96"),
        ("arrays.q.base64", "-" * 64, "the array 'q' is not base64"),
        ("source", {"model": "m"}, "source has no field 'architecture'"),
        ("outputs", {"task": "text-classification"}, "neither logits nor a reason"),
        ("outputs", {"task": "x", "logits": [0.5]}, "are no answers of 'x' to 0 tokens"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path, place, value, sentence):
    document = deepcopy(whole())
    load(tmp_path, document)
    *path, last = place.split(".")
    holder = document
    for name in path:
        holder = holder[int(name) if name.isdigit() else name]
    holder[last] = value
    with pytest.raises(BadTrace, match=sentence) as refusal:
        load(tmp_path, document)
    assert len(str(refusal.value).splitlines()) == 1
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "nests too deep"),
        ('{"a": ' * 100_000, "nests too deep"),
        ("9" * 5_000, "is not JSON"),
        ('{"a": NaN}', "NaN is not JSON; write null"),
        ('{"a": 1, "a": 2}', "has the name 'a' twice"),
    ],
)
def test_a_text_that_is_no_document(tmp_path, text, sentence):
    with pytest.raises(BadTrace, match=sentence):
        load(tmp_path, text)


def test_a_limit_of_memory_holds_before_anything_is_read(tmp_path):
    AttentionTrace.of(attention(random_weights(2, 3, 50, 50))).save(tmp_path / "it.npz")
    AttentionTrace.load(tmp_path / "it.npz", max_bytes=200_000)
    with pytest.raises(BadTrace, match=r"it takes about 60.0 kB of memory, and 50.0 kB may be used; save fewer layers"):
        AttentionTrace.load(tmp_path / "it.npz", max_bytes=50_000)
