"""The sentence, and the head of the bundled encoder, that most tests use."""

CAT = "The cat sat on the mat because it was tired."
LAYER, HEAD = 5, 11
