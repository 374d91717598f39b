"""The operator's view of a shop: status, the doctor's checks, setting up a bucket, the scheduled sweep.

It may use every other room.
"""
