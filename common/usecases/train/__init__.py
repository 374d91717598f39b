"""The nightly training: models are compared, the gate decides, the winner is fitted, published and reported.

`train.py` is the run; `comparison.py`, `gate.py` and `model_selection.py` are its decisions.
"""
