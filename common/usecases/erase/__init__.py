"""The erasure of people from everything that is stored and served, and the export of one person's data.

An erasure leaves a receipt, and each of its steps may be repeated after a crash.
"""
