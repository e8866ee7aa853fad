"""One forward pass to its layers: queries and keys recorded below the model, weights computed from them."""
