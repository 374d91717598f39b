"""The object store: the port, its implementations, key layout, the commit loop and the local file cache."""
