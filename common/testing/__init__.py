"""Test doubles: a bucket in memory, and a bucket with scripted faults."""
