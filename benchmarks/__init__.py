"""Measurements that depend on the machine: `python -m benchmarks` from the project's root."""
