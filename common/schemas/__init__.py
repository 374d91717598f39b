"""Data types that several packages share: the bucket's documents, columns of events and items, layers of a bundle."""
