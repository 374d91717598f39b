"""Benchmarks: each row compares two things in one run and prints their ratio."""
