"""mutmut, but that it leaves texts as they are."""

from __future__ import annotations

from mutmut.__main__ import cli
from mutmut.mutation.mutators import mutation_operators, operator_string

assert isinstance(mutation_operators, list)
mutation_operators[:] = [pair for pair in mutation_operators if pair[1] is not operator_string]

if __name__ == "__main__":
    cli()
