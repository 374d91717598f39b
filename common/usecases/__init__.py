"""Use cases in packages by function. Only they combine storage, models and serving."""
