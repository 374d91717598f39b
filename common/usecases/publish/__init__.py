"""Publishing: layers are built and committed as a version of what is served, folded, and rolled back.

`versions.py` describes versions and their history.
"""
