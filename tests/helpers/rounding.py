"""How far apart two float32 forward passes of one model may be that add the same numbers in another order."""

# SDPA, and matrix products of other shapes, round unlike eager attention, and each layer adds to it. A processor has
# its own kernels: the same test gave 1.5e-6 with AVX-512, 5.7e-6 with AVX2. A wrong mask, scale or position moves
# weights by 1e-3 and more. That weights are those of a pass's own queries and keys is checked to the bit.
OF_PASSES = 5e-5
