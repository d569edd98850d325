"""Who does what: one file per actor, one folder for messages, one for the kernel."""
