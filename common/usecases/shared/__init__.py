"""Parts that all use cases need: the context, run records, workspaces, tombstones, garbage collection.

It imports no other package of use cases.
"""
