"""Ratios against peers and floors, measured side by side in one run; never asserted in tests.

`python -m benchmarks` (or `make bench`) prints the table, `--json` the same for programs.
"""
