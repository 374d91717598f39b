"""What a training run has to tell a shop owner: a typed document, and one self-contained page made of it."""
