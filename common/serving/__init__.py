"""What is served: files that are mapped, not parsed, and the search and ranking over them. numpy and Faiss only."""
