"""Many chips: sweeps, search and Pareto fronts."""
