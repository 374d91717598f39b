"""Uploads: a file is read within limits, its rows are checked, bad rows are refused, and the rest becomes a batch."""
