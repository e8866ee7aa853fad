"""Where the patches of a picture are among the keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Patches:
    """A grid of patches among the keys, row by row from the position `first`.

    `box` is the part of the picture that the grid covers: left, top, right, bottom, from 0 to 1.
    """

    first: int
    rows: int
    columns: int
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    @property
    def positions(self) -> range:
        """The positions of the patches, row by row."""
        return range(self.first, self.first + self.rows * self.columns)

    @property
    def corner(self) -> tuple[int, int]:
        """How many patches of this size fit above the grid, and how many to its left."""
        left, top, right, bottom = self.box
        return round(top * self.rows / (bottom - top)), round(left * self.columns / (right - left))


def name_patches(patches: Sequence[Patches]) -> dict[int, str]:
    """Return the row and column of the patch at each position: "3,5".

    Rows and columns are counted over the whole picture. If grids of parts of the picture stand beside one of the whole
    picture, the names of the latter's patches are "whole 3,5".
    """
    parts = any(grid.box != Patches(0, 1, 1).box for grid in patches)
    names = {}
    for grid in patches:
        above, before = grid.corner
        start = "whole " if parts and grid.box == Patches(0, 1, 1).box else ""
        for number, position in enumerate(grid.positions):
            row, column = divmod(number, grid.columns)
            names[position] = f"{start}{above + row},{before + column}"
    return names


def text_start(patches: Sequence[Patches], n_keys: int) -> int:
    """Return the position after the last patch, where the text begins that was read after the picture; 0 if none was.

    The hundreds of patches before it are seen on the picture, so what shows tokens one by one begins here.
    """
    end = max((grid.positions.stop for grid in patches), default=0)
    return end if end < n_keys else 0


def move_patches(patches: Sequence[Patches], pieces: Sequence[Sequence[int]]) -> tuple[Patches, ...]:
    """Return the grids after the positions were joined to words: `pieces` are the positions of each word.

    A grid whose patches did not each stay alone is left out.
    """
    starts = {tuple(piece): number for number, piece in enumerate(pieces)}
    moved = []
    for grid in patches:
        found = [starts.get((position,)) for position in grid.positions]
        if found[0] is not None and None not in found:
            moved.append(Patches(found[0], grid.rows, grid.columns, grid.box))
    return tuple(moved)
