"""The composition root's rooms: one file per group of commands. Only `run.py` imports them."""
