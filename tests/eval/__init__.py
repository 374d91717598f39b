"""How each family does on public data, against what has been published: `make eval`, or `python -m tests.eval --help`.

The product needs none of it. Everything is ranked, nothing is sampled, and what is tuned is tuned on a part of train.
"""
