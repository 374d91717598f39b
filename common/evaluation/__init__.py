"""Measures how well a model predicts what people buy next.

The data is cut at one time for everybody, the whole catalogue is ranked, and ties count against the model. Purchases of
items that are new to a person are also measured alone, because where people repeat their purchases no model beats a
list of those.
"""
