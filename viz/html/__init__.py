"""Pictures in HTML: matrices as heat tables, sums in LaTeX, the steps of attention, one head in detail."""
