"""Timings, never part of a test: medians and ratios, side by side in one run."""
