"""The report of a training run for a shop owner: a typed document, and one self-contained page made from it."""
