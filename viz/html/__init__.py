"""Pictures made of HTML: matrices as heat tables, sums in LaTeX, the steps of a head."""
