"""Weights on the patches of a picture, in the places that the patches cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from models.patches import Patches

WHOLE = (0.0, 0.0, 1.0, 1.0)


def light_of(patches: Sequence[Patches], weights: Float[np.ndarray, " key"]) -> Float[np.ndarray, "row column"]:
    """Return the weights of one query in the places of a picture, as fine as its finest grid.

    A place that patches of several grids cover gets a share of each, in proportion to the area, so the sum stays the
    attention on all patches. With one grid of the whole picture these are the weights of its patches.
    """
    grids = [weights[grid.first : grid.positions.stop].reshape(grid.rows, grid.columns) for grid in patches]
    if len(patches) == 1 and patches[0].box == WHOLE:
        return grids[0]
    n_rows = max(round(grid.rows / (grid.box[3] - grid.box[1])) for grid in patches)
    n_columns = max(round(grid.columns / (grid.box[2] - grid.box[0])) for grid in patches)
    light = np.zeros((n_rows, n_columns))
    for grid, found in zip(patches, grids, strict=True):
        left, top, right, bottom = grid.box
        down, across = _shares(n_rows, grid.rows, top, bottom), _shares(n_columns, grid.columns, left, right)
        light += down @ found @ across.T
    return light.astype(np.float32)


def _shares(n_places: int, n_patches: int, start: float, end: float) -> Float[np.ndarray, "place patch"]:
    """Return which share of each patch along one axis is in each place; patches are between `start` and `end`."""
    edges = np.linspace(0.0, 1.0, n_places + 1)[:, None]
    own = np.linspace(start, end, n_patches + 1)
    overlap = np.minimum(edges[1:], own[1:]) - np.maximum(edges[:-1], own[:-1])
    return np.clip(overlap, 0.0, None) / ((end - start) / n_patches)
