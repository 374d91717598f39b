"""The lanes of the tests: which are due today, and one run of them in which none can pass unseen.

python -m tests.lanes              the lanes, and which are due
python -m tests.lanes run          runs what is due; `run NAME,NAME` these, `run all` all of them

`lanes.toml` is the table of them. CI_DAY=123 makes it another day of the year.
"""
