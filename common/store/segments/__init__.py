"""Segments: the DuckDB files of the store, which are read as one, merged, and rewritten without erased people."""
