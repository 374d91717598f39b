"""Serving: files that are memory-mapped, and the search and ranking over them. It needs only numpy, Faiss and, for
filters, DuckDB."""
