"""Faults planted one by one into code that must not be wrong, and which of them its own fast tests do not find.

python -m tests.mutants            every target of targets.toml
python -m tests.mutants commit     one of them, or several

A planted fault that no test finds is a survivor. Each is explained in survivors.toml; one that is not fails the run.
"""
