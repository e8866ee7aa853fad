"""Files to take away: exports of every figure, tables of weights, and where they come from."""
