"""What new batches change becomes visible in what is served, without training.

One delta layer for each update.
"""
