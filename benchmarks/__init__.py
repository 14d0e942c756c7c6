"""Measurements of what depends on the machine: `python -m benchmarks`."""
