"""The address `models.inside.inside` of `models.head_internals`, which the README documented first."""

from models.capture.head_internals import head_internals as inside

__all__ = ["inside"]
