"""The search for hyperparameters: Optuna under a time budget.

It knows models by their `search_space`, and evaluates them by a function that the caller gives, so it can be tested on
anything. The result is plain data: one record a trial, and the choice among them.
"""
