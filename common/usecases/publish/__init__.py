"""What is served: layers are built and committed as a version, folded, and rolled back.

Versions and their history are described in `versions.py`.
"""
