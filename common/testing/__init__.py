"""Twins in memory and doubles that script faults, for tests and for whoever writes an adapter."""
