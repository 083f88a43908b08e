"""Calling handlers: which there are, each by itself, and for how long."""
