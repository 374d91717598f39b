"""The content of layers: what a base or a delta contains of items, people and rankings."""
