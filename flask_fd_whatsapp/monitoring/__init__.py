"""Watching it: how every receiver stands, and what needs attention."""
