"""Hostile inputs with fixed seeds: each returns, or is refused in a sentence that a visitor can read."""
