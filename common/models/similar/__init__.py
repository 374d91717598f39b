"""What else could be bought instead of an item: what people did, blended with what the catalogue says.

numpy only, because updates find the neighbours of new items by it, and their image has no scipy.
"""
