"""Uploads on their way into the store: taken in, committed as a batch, or refused into the quarantine.

Compaction of the store is here too.
"""
