"""Timings, never part of a test: medians and ratios, side by side in one run."""

import sys
from pathlib import Path

# The browser, its flags and a visitor's ways are those of the tests.
sys.path.append(str(Path(__file__).parents[1] / "tests" / "e2e"))
