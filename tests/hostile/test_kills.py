"""Killed at random moments, a server leaves no process and no file, and a training loses nothing that was reported."""

import pytest

from benchmarks.kills import kill_repeatedly

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MOMENTS = 4


def test_nothing_is_left_and_nothing_is_lost():
    """A server and a training, by SIGKILL and by SIGTERM each; `python -m benchmarks kills` does fifty."""
    found = kill_repeatedly(MOMENTS, with_app=False)
    assert {kind: one.failures for kind, one in found.items() if one.failures} == {}
    assert sum(one.moments for one in found.values()) == MOMENTS
    assert sum(one.same_weights for one in found.values()) == 2
