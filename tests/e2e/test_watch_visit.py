"""A visit to "Watch it train": the recording plays, a training starts, is scrubbed, stopped, resumed and finished."""

import re
import zipfile

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.helpers.visitor import PHONE, wait_until_idle

pytestmark = pytest.mark.e2e
# Small enough to end in seconds, long enough to be stopped on its way.
TRAINING = "/watch?task=previous&text=a+b+a+c&seed=5&layers=1&heads=2&width=16&steps=400"
DRAWN_TIMEOUT_MS = 120_000


def drawn(page: Page) -> None:
    page.wait_for_selector(".training[data-drawn]", timeout=DRAWN_TIMEOUT_MS)


def picture(page: Page) -> Locator:
    return page.locator(".training")


def number(page: Page, name: str) -> int:
    return int(picture(page).get_attribute(f"data-{name}"))


def says(page: Page, text: str) -> None:
    expect(page.locator(".training-says")).to_contain_text(text)


def title(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text)).to_be_visible(timeout=DRAWN_TIMEOUT_MS)


def watched_texts() -> set[str]:
    """The texts of all trainings that run on this machine."""
    commands = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return {
        part.removeprefix("--text=")
        for command in commands
        if "analysis.recording" in command
        for part in command
        if part.startswith("--text=")
    }


def test_a_text_typed_and_started_at_once_is_what_is_trained(open_page):
    # Texts that no other test trains on: tests in other processes train at the same time.
    link = TRAINING.replace("steps=400", "steps=4000").replace("a+b+a+c", "s+l+o+w")
    page = open_page(link, ready=drawn)
    page.get_by_role("textbox", name="Text to watch").fill("q u i c k")
    page.get_by_role("button", name="Start training").click()
    title(page, "Your training: The letter before, seed 5, running")
    texts = watched_texts()
    assert "q u i c k" in texts
    # Must not happen: a training of the text before.
    assert "s l o w" not in texts
    page.get_by_role("button", name="Back to the recording").click()
    title(page, "Recorded: The letter before")


def test_recorded_then_live(open_page):
    page = open_page(TRAINING, ready=drawn)
    title(page, "Recorded: The letter before")
    # It plays by itself, to the end.
    expect(picture(page)).to_have_attribute("data-moving", "true")
    step = number(page, "step")
    expect(picture(page)).not_to_have_attribute("data-step", str(step))
    # The keyboard scrubs, words and table follow, and nothing is asked of the server.
    training_range = page.get_by_role("slider", name="Training step")
    training_range.press("Home")
    says(page, "Step 0 of 1,200")
    expect(picture(page)).to_have_attribute("data-moving", "false")
    training_range.press("End")
    says(page, "Step 1,200 of 1,200")
    expect(training_range).to_have_attribute("aria-valuetext", re.compile(r"Step 1,200 .* best head: layer 0, head \d"))
    expect(page.get_by_role("table")).to_contain_text("Truth score of every head at step 1,200")
    expect(page.get_by_role("cell", name="solves").first).to_be_visible()
    page.locator(".training-maps-canvas").hover(position={"x": 90, "y": 90})
    expect(page.locator(".training-hover")).to_contain_text("with weight")

    page.get_by_role("button", name="Start training").click()
    title(page, "Your training: The letter before, seed 5, running")
    expect(picture(page)).to_have_attribute("data-live", "true")
    says(page, "of 400")
    # The page stays usable: scrubbed back it stays there, and a widget reacts, while frames arrive.
    training_range.press("Home")
    says(page, "Step 0 of 400")
    frames = number(page, "frames")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("spinbutton", name="Seed").fill("6")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("seed=6"), timeout=DRAWN_TIMEOUT_MS)
    page.keyboard.press("Escape")
    expect(picture(page)).not_to_have_attribute("data-frames", str(frames), timeout=DRAWN_TIMEOUT_MS)
    says(page, "Step 0 of 400")
    # A message that is lost on the way leaves no gap.
    page.evaluate("() => { for (const frames of window.headlightTrainings.values()) frames.splice(2); }")
    page.get_by_role("button", name="Stop", exact=True).click()
    title(page, "Your training: The letter before, seed 5, stopped")
    stopped = number(page, "frames")
    page.get_by_role("button", name="Resume").click()
    title(page, "Your training: The letter before, seed 5, finished")
    expect(picture(page)).to_have_attribute("data-frames", "41", timeout=DRAWN_TIMEOUT_MS)
    assert stopped < 41
    training_range.press("End")
    says(page, "Step 400 of 400")
    with page.expect_download(timeout=DRAWN_TIMEOUT_MS) as download:
        page.get_by_role("button", name="Download the trained model").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {"previous/config.json", "previous/model.safetensors"} <= set(archive.namelist())
    page.get_by_role("button", name="Back to the recording").click()
    title(page, "Recorded: The letter before")
    wait_until_idle(page)


def test_home_on_the_only_frame_stays_there(open_page):
    page = open_page(TRAINING.replace("seed=5", "seed=7"), ready=drawn)
    page.get_by_role("button", name="Start training").click()
    title(page, "Your training: The letter before, seed 7, running")
    expect(picture(page)).to_have_attribute("data-live", "true")
    # Later frames wait at the door, and those that came with the first are gone.
    page.evaluate("""() => {
        window.hold = (event) => event.stopImmediatePropagation();
        window.addEventListener("headlight-frames", window.hold, true);
        [...window.headlightTrainings.values()].at(-1).splice(1);
    }""")
    page.get_by_role("slider", name="Training step").press("Home")
    page.evaluate("window.removeEventListener('headlight-frames', window.hold, true)")
    expect(picture(page)).to_have_attribute("data-moving", "false")
    title(page, "Your training: The letter before, seed 7, finished")
    expect(picture(page)).to_have_attribute("data-frames", "41", timeout=DRAWN_TIMEOUT_MS)
    says(page, "Step 0 of 400")


def test_frames_that_were_lost_are_sent_again(open_page):
    page = open_page("/watch?task=previous", ready=drawn)
    n_frames = number(page, "frames")
    page.get_by_role("slider", name="Training step").press("End")
    page.evaluate("() => { for (const frames of window.headlightTrainings.values()) frames.splice(5); }")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("spinbutton", name="Seed").fill("6")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("seed=6"), timeout=DRAWN_TIMEOUT_MS)
    page.wait_for_function(
        "(wanted) => [...window.headlightTrainings.values()][0].length === wanted",
        arg=n_frames,
        timeout=DRAWN_TIMEOUT_MS,
    )


def test_less_motion_and_a_phone(open_page):
    def reduce_motion(page: Page) -> None:
        page.emulate_media(reduced_motion="reduce")

    page = open_page("/watch?task=brackets", viewport=PHONE, dark=True, ready=drawn, prepare=reduce_motion)
    expect(picture(page)).to_have_attribute("data-moving", "false")
    says(page, "Step 2,500 of 2,500")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Play").click()
    expect(picture(page)).to_have_attribute("data-moving", "true")
