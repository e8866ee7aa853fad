"""The file formats of figures and tables."""

from __future__ import annotations

from models.errors import HeadlightError

PICTURES = ("png", "svg", "pdf", "html")
PAPER = ("png", "svg", "pdf")
TABLES = ("csv", "npz")
MIME = {
    "png": "image/png",
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "html": "text/html",
    "csv": "text/csv",
    "npz": "application/octet-stream",
    "json": "application/json",
}


class CannotExport(HeadlightError):
    """A format that a figure does not have, or a table that would be too long."""
