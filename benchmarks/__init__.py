"""Timings, never part of a test: medians and ratios, side by side in one run."""

import sys
from pathlib import Path

# The browser, its flags, a visitor's ways and the small models are those of the tests.
sys.path += [str(Path(__file__).parents[1] / "tests" / room) for room in ("e2e", "models")]
