"""People out of everything that is stored or served, with a receipt, and the export of one person's data.

Each step may be repeated after a crash.
"""
