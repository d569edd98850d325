"""Typed settings and logging set-up."""
