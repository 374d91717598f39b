"""How good a model is at guessing what people buy next.

One cut in time for everybody, the whole catalogue ranked, ties counted against the model, and purchases of items new to
the person counted apart from repeat purchases, because no model beats "the same again" where people buy the same again.
"""
