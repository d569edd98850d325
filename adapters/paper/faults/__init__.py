"""Faults on demand: what can go wrong at a venue, as a plan that chance and time carry out."""
