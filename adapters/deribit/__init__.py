"""The Deribit client: two transports behind one call, and typed methods above it.

Wire dictionaries never leave this folder; what leaves it is `domain` values and reports.
"""
