"""The installed command `headlight` in a real browser, with the network cut: a model's heads, and a training."""

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.helpers.app_server import free_port
from tests.helpers.installed import Installed, build
from tests.helpers.settled import follow_runs
from tests.helpers.visitor import DESKTOP, wait_until_drawn

pytestmark = pytest.mark.e2e
TRAINING = "watch?task=previous&text=a+b+z+c&seed=5&layers=1&heads=2&width=16&steps=40"
TIMEOUT_MS = 120_000


def test_the_installed_page_works_without_a_network(browser: Browser, tmp_path: Path):
    installed = Installed(tmp_path, build(tmp_path))
    server = installed.start("headlight", "scratch:brackets", "--no-browser", "--port", str(free_port()))
    try:
        told = server.stdout.readline()
        (url,) = re.findall(r"Headlight is at (http://localhost:\d+/\?model=scratch%3Abrackets) ", told)
        page = browser.new_page(viewport=DESKTOP)
        follow_runs(page)
        outside: list[str] = []
        page.on("request", lambda request: None if "//localhost:" in request.url else outside.append(request.url))
        page.goto(url)
        wait_until_drawn(page)
        expect(page.locator(".heads-canvas")).to_be_visible()
        page.goto(url.split("?")[0])  # MiniLM
        wait_until_drawn(page)
        expect(page.locator(".strip")).to_contain_text("mat")
        # A training is a process of its own, which finds our modules under their names after installation.
        page.goto(url.split("?")[0] + TRAINING)
        page.get_by_role("button", name="Start training").click(timeout=TIMEOUT_MS)
        own = page.get_by_role("heading", name="Your training: The letter before, seed 5")
        expect(own).to_be_visible(timeout=TIMEOUT_MS)
        expect(page.locator(".training")).to_have_attribute(
            "data-frames", re.compile(r"[2-9]|\d\d"), timeout=TIMEOUT_MS
        )
        page.close()
        assert [url for url in outside if not url.startswith(("blob:", "data:"))] == []
    finally:
        server.send_signal(signal.SIGINT)
        code = server.wait(60)
    assert code == 130
    assert len(installed.reports()) >= 1
    # Streamlit makes app.py its first argument, runs and imports it; nothing else of ours has a second name.
    assert installed.misnamed() <= {"app"}
    assert [report["asked"] for report in installed.reports() if report["asked"]] == []
