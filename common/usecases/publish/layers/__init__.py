"""The content of layers: what a base or a delta says of items, people and rankings."""
