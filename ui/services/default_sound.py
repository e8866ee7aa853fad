"""The sound that the page has until the visitor uploads one: five sung vowels, made of sine waves."""

from __future__ import annotations

from functools import cache

import numpy as np

from models.sound import Sound

RATE = 16_000
# The two lowest resonances of the vowels a, e, i, o, u in Hz, and the pitch at which each is sung.
_VOWELS = (((800, 1_200), 130), ((450, 2_000), 146), ((280, 2_500), 164), ((450, 800), 146), ((320, 800), 110))
_SECONDS, _PAUSE, _WIDTH = 0.38, 0.09, 110.0


@cache
def default_sound() -> Sound:
    """Return 2.4 seconds of "a e i o u" at 16,000 samples a second."""
    pause = np.zeros(round(_PAUSE * RATE))
    pieces = [pause]
    for resonances, pitch in _VOWELS:
        pieces += [_sing(resonances, pitch), pause]
    sound = np.concatenate(pieces)
    return Sound((0.7 * sound / np.abs(sound).max()).astype(np.float32), RATE)


def _sing(resonances: tuple[int, int], pitch: float) -> np.ndarray:
    """Return one vowel: the overtones of a pitch, the louder the nearer they are to a resonance."""
    time = np.arange(round(_SECONDS * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.01 * np.sin(2 * np.pi * 5 * time))) / RATE
    sound = np.zeros_like(time)
    for overtone in range(1, int(4_000 / pitch)):
        distance = [(overtone * pitch - resonance) / _WIDTH for resonance in resonances]
        sound += sum(1 / (1 + each**2) for each in distance) / overtone**0.5 * np.sin(overtone * phase)
    # It swells and fades, so that the vowels are apart.
    return sound * np.sin(np.pi * np.arange(len(time)) / len(time)) ** 0.5
