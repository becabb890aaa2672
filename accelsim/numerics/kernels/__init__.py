"""Compiled twins of the definition: the only part of `accelsim.numerics` that needs Numba."""
