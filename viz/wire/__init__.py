"""Bytes that the pictures in the browser read."""
