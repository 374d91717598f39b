"""The cost of a shop's size: `make sizing` takes generated shops of growing size through the real functions."""
