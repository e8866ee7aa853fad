"""The parts of the pages: each shows one subject."""
