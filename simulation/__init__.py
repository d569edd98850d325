"""The deterministic runtime: the production actors, unchanged, on virtual time.

Actors are greenlets, time is a number, and one seed decides every interleaving.
"""
