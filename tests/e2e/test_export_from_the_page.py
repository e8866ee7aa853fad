"""Every file that the page offers is downloaded and opened with an independent reader."""

import io
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pypdf
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.helpers.paths import golden
from tests.helpers.shown_view import choose_export, download
from tests.helpers.traffic import Traffic
from tests.helpers.visitor import heads_keys, strip_token, wait_until_idle

pytestmark = pytest.mark.e2e
GOLDEN = golden("minilm_heads")["cases"][0]
VIEW = "/?layer=5&head=11&threshold=0.3&palette=cividis&scale=root"


def checked_origin(origin: dict, figure: str) -> None:
    assert origin["figure"] == figure
    assert origin["source"]["model"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert origin["source"]["text"] == GOLDEN["text"]
    assert (origin["layer"], origin["head"]) == (5, 11)
    assert {"torch", "transformers"} <= origin["versions"].keys()
    if figure != "table":
        assert origin["transformations"]["palette"] == "cividis"
        assert origin["transformations"]["scale"] == "root"
    if figure == "flow":
        assert origin["transformations"]["threshold"] == 0.3


PICTURES = {
    "Heatmap of the chosen head": ("layer5-head11-heatmap", "heatmap of layer 5, head 11"),
    "Token graph of the chosen head": ("layer5-head11-flow", "token graph of layer 5, head 11"),
    "All heads": ("all-heads-grid", "all heads"),
}


def test_pictures(open_page):
    page = open_page(VIEW)
    for figure, (file, called) in PICTURES.items():
        name = file.rsplit("-", 1)[1]
        choose_export(page, figure, "PNG")
        # Must not happen: a sentence about glyphs, though every font has those of this text.
        expect(page.get_by_text("No installed font can draw")).to_have_count(0)
        suggested, data = download(page, f"Download {called} as PNG")
        assert suggested == f"all-MiniLM-L6-v2-encoder-{file}.png"
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)
            checked_origin(json.loads(picture.info["headlight"]), name)

        choose_export(page, figure, "SVG")
        _, data = download(page, f"Download {called} as SVG")
        root = ElementTree.fromstring(data)
        texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert ("because" in texts) == (name != "grid")
        described = next(root.iter("{http://purl.org/dc/elements/1.1/}description")).text
        checked_origin(json.loads(described), name)

        choose_export(page, figure, "PDF")
        _, data = download(page, f"Download {called} as PDF")
        pdf = pypdf.PdfReader(io.BytesIO(data))
        checked_origin(json.loads(pdf.metadata.subject), name)
        assert ("because" in pdf.pages[0].extract_text()) == (name != "grid")

        choose_export(page, figure, "HTML")
        _, data = download(page, f"Download {called} as HTML")
        html = data.decode()
        script = html.split('id="headlight-provenance">')[1].split("</script>")[0]
        checked_origin(json.loads(script), name)


def test_tables(open_page):
    page = open_page(VIEW)
    choose_export(page, "Weights of the chosen head", "CSV")
    _, data = download(page, "Download weights of layer 5, head 11 as CSV")
    table = pd.read_csv(io.BytesIO(data), keep_default_na=False)
    assert list(table.columns[:7]) == ["layer", "head", "query", "key", "query_token", "key_token", "weight"]
    assert len(table) == 13 * 13
    for row in GOLDEN["argmax"]:
        if (row["layer"], row["head"]) == (5, 11):
            found = table[(table["query"] == row["query"]) & (table["key"] == row["key"])].iloc[0]
            assert found["key_token"] == row["key_token"]
            assert found["weight"] == pytest.approx(row["weight"], abs=1e-4)
    suggested, origin = download(page, "Download its origin (JSON)")
    assert suggested.endswith(".csv.json")
    checked_origin(json.loads(origin), "table")

    choose_export(page, "Weights of all heads", "NPZ")
    expect(page.get_by_text("It contains every pair: 13 x 13 pairs of all 72 heads.")).to_be_visible()
    _, data = download(page, "Download weights of all heads as NPZ")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        assert arrays["weights"].shape == (72, 13, 13)
        assert list(arrays["query_tokens"]) == GOLDEN["tokens"]
        np.testing.assert_allclose(arrays["weights"].sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("pause", [0, 800])
def test_the_file_shows_what_was_selected_last(open_page, pause):
    traffic = Traffic()
    page = open_page("/?layer=3&head=1", prepare=traffic.install)
    heads_keys(page).press("ArrowRight")
    strip_token(page, 8).click()
    page.wait_for_timeout(pause)
    choose_export(page, "Token graph of the chosen head", "SVG")
    # A head that is chosen while the popover is open counts too.
    heads_keys(page).press("ArrowRight")
    wait_until_idle(page)
    choose_export(page, "Token graph of the chosen head", "SVG")
    _, data = download(page, "Download token graph of layer 3, head 3 as SVG")
    root = ElementTree.fromstring(data)
    described = json.loads(next(root.iter("{http://purl.org/dc/elements/1.1/}description")).text)
    # Must not happen: the head that the server knew before, or a file without the locked token.
    assert (described["layer"], described["head"]) == (3, 3)
    assert "query:8" in json.dumps(described["transformations"])
    assert traffic.requests == []
