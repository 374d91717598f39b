"""What a shop's size costs: `make sizing` takes made-up shops of growing size through the real functions."""
