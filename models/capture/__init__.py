"""One forward pass to its layers: queries and keys are recorded below the model, weights are computed from them."""
