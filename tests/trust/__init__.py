"""Nothing that comes from outside stops it: hostile uploads and clients, damaged files, a store that fails, kills.

`make trust` runs these tests, in the lanes whose names begin with `trust`. A test says by the fixture `account` what it
has counted; at the end of its lane stands how much, and how long each test took.
"""
