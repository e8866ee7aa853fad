"""Traces as files (docs/decisions/0023): our own `.npz` and `.json`, and arrays and tables that others wrote."""

from models.trace_files.read import read_trace
from models.trace_files.write import write_trace

__all__ = ["read_trace", "write_trace"]
