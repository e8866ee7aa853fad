"""The documented address of `inside`, which opens one head: it stands in models/capture/head_internals.py."""

from models.capture.head_internals import HeadInside, inside

__all__ = ["HeadInside", "inside"]
