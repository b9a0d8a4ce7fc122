"""Benchmarks: each a command that prints one table, with ratios measured in one run."""
