"""Segments: the DuckDB files of the store, read as one, compared, folded, and rewritten without erased people."""
