"""The panel "Can I trust this?" in a browser: opened, a check started, and axe-core satisfied on a phone too."""

import shutil

import pytest
import torch
from playwright.sync_api import expect

from models.checkpoints.bundled import scratch_folder
from tests.helpers.accessibility import violations
from tests.helpers.corrupt import change
from tests.helpers.visitor import PHONE

pytestmark = pytest.mark.e2e


def test_a_broken_model_is_named_and_compared_with_eager_attention(open_page, tmp_path):
    folder = shutil.copytree(scratch_folder("scratch:brackets"), tmp_path / "broken")
    change(folder, lambda weights: weights["encoder.layers.2.attention.key_projection.weight"][3].fill_(torch.nan))
    page = open_page(f"/?model={folder}&text=([]{{()}})")
    panel = page.locator(".st-key-trust")
    panel.get_by_text("Can I trust this? 2 faults", exact=True).click()
    found = panel.get_by_role("group", name="What the checks found")
    expect(found.locator("ul.fault li").first).to_contain_text("Damaged weights. 1 weight tensor is damaged")
    panel.get_by_role("button", name="Compare with eager attention").click()
    # The panel stays open while its label and its findings change.
    expect(found.locator("ul.ok")).to_contain_text("Eager attention. All", timeout=30_000)
    expect(panel.get_by_role("button", name="Compare with eager attention")).to_have_count(0)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(PHONE)
        expect(found).to_be_visible()
        assert violations(page) == [], scheme
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
