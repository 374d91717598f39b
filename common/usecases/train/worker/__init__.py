"""The worker: a process that fits and judges the models of one training, and that can be ended at any moment.

A library in which a fit hangs, eats all memory or crashes takes only this process with it. `process.py` is the
training's side, `serve.py` the worker's; both speak over `channel.py` and share the data by `shared_data.py`.
"""
