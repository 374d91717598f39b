"""Use cases, in rooms by function: the only place that joins storage, models and serving."""
