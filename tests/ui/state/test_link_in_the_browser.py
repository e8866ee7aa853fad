"""The browser writes and reads a selection as the server does: the same parameters, in the same order."""

from itertools import product
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.helpers.node import call
from ui.state import link
from ui.state.inspect import Choice
from viz.options import DrawOptions
from viz.wire.instrument import describe_defaults

_LOCKED = (("", ""), ("query:8", ""), ("key:0", ""), ("query:8", "key:2"), ("key:12", "query:0"))
_SELECTIONS = [
    link.standard(
        Choice, layer=layer, head=head, threshold=threshold, palette=palette, token=token, partner=partner, **looks
    )
    for (layer, head), threshold, palette, (token, partner), looks in product(
        ((0, 0), (47, 11)),
        (0.0, 0.05, 0.29, 1.0),
        ("automatic", "night"),
        _LOCKED,
        ({}, {"scale": "root", "truth": False, "region": "0-63:128-191"}),
    )
]
_CODE = """
    import { formatSelection, parseSelection } from "./viz/browser/instrument/link.js";
    const result = data.texts.map((text) => formatSelection(parseSelection(text, data.defaults), data.defaults));"""


@pytest.mark.slow
def test_the_browser_writes_what_it_reads_as_the_server_does():
    texts = [urlencode(link.format(choice, link.BROWSER)) for choice in _SELECTIONS]
    written = call(_CODE, {"texts": texts, "defaults": describe_defaults(DrawOptions())})
    assert written == texts
    assert len(set(texts)) == len(texts) == 160
    read = [link.parse(Choice, dict(parse_qsl(text)))[0] for text in written]
    assert [each.selection() for each in read] == [choice.selection() for choice in _SELECTIONS]
