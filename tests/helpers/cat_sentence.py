"""The sentence and the head of the real encoder that most tests look at."""

CAT = "The cat sat on the mat because it was tired."
LAYER, HEAD = 5, 11
