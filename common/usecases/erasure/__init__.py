"""Erasing people: out of the store, out of what is served, and out of what is left of both."""
