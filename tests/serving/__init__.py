"""What is served: files, search, ranking, and the versions that are swapped."""
