"""The parts of the family `cooccurrence`: its hyperparameters, the counting of pairs, and their weights."""
