"""A name to weights that can be trusted: located, checked, loaded and verified."""
