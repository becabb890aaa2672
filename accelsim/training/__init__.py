"""Many steps: training a network with the arithmetic of a chip."""
