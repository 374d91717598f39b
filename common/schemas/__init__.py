"""Shapes that more than one family shares: documents of the bucket, columns of data, layers of a bundle."""
