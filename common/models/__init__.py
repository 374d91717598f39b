"""Training adapters.

Each turns interactions into an `Artifact`: named arrays and JSON that serving reads without the library.
"""
