"""Recommendations for storefronts from the published bundle, which a background thread keeps up to date.

Nothing here writes to the bucket.
"""
