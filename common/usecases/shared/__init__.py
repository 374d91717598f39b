"""What all rooms need: the context of a shop, run records, workspaces, tombstones, garbage collection.

It knows no other room.
"""
