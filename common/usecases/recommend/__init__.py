"""Answers to storefronts from the published bundle, which a background watch keeps up to date.

Nothing here writes to the bucket.
"""
