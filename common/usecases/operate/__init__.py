"""The operator's tasks: status, the doctor's checks, the setup of a bucket, the scheduled sweep.

It may import all other packages of use cases.
"""
