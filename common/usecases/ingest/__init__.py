"""Ingest: uploads are read and committed to the store as a batch, or refused into the quarantine.

Compaction of the store is here too.
"""
