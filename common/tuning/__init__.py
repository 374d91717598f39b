"""The search for hyperparameters: Optuna under a time budget.

It knows models by their `search_space` and judges them by a function that it is given, so that it can be tried on
anything. Its end is plain data: one record a trial, and the choice among them.
"""
