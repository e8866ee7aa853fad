"""Killed at random moments, a server leaves no process and no file, and a training loses nothing that was reported."""

import subprocess
from types import SimpleNamespace

import pytest

from benchmarks.kills import kill_repeatedly
from tests.helpers.forked import Forked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MOMENTS = 4


def test_nothing_is_left_and_nothing_is_lost(monkeypatch):
    """A server and a training, by SIGKILL and by SIGTERM each; `python -m benchmarks kills` does fifty.

    The servers start as forks. Their trainings start as the server starts them.
    """
    names = {name: getattr(subprocess, name) for name in ("PIPE", "DEVNULL")}
    monkeypatch.setattr("benchmarks.kills.subprocess", SimpleNamespace(**names, Popen=Forked))
    found = kill_repeatedly(MOMENTS, with_app=False)
    assert {kind: one.failures for kind, one in found.items() if one.failures} == {}
    assert sum(one.moments for one in found.values()) == MOMENTS
    assert sum(one.same_weights for one in found.values()) == 2
