"""The model families, one training adapter a file.

Each adapter turns interactions into an `Artifact`: named arrays and JSON, which serving reads without the library.
"""
