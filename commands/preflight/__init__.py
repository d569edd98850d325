"""`run.py preflight`: everything that must be right before real money trades, each with its fix."""
