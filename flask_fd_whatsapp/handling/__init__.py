"""Calls handlers: which ones, isolated from each other, and with a time limit."""
