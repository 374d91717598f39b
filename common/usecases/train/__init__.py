"""The nightly training: it compares models, checks the best one at the gate, fits it on all data, publishes and reports
it.

`train.py` is the run; `comparison.py`, `gate.py` and `model_selection.py` are its decisions.
"""
