"""The HTTP API: the Desk, health, metrics and events for programs on this machine.

It runs in a thread of its own with its own loop. FastAPI and its kin are imported in that thread,
after the daemon is ready, because they take half a second and trading must not wait for them.
"""
