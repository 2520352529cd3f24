"""Claims judged by a grid: which are supported, contradicted, negligible, or not yet decided."""
