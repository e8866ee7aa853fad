"""Attention weights that exist already, from another library or a file (docs/decisions/0023)."""
