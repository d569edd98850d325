"""One folder per outside world; each knows domain, messages and ports, never an actor."""
