"""The transformer from scratch: layers, networks, tasks with a known answer, and their training."""
