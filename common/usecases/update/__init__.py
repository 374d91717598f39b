"""The update: new batches of the store become visible in the served bundle, without training.

Each update adds one delta layer.
"""
