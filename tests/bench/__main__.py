"""`make bench`: every row beside its reference, in one table and in build/bench.json.

A benchmark is a module of this package with `ROWS`, the names it measures, and `rows()`, which measures them and
returns a list of `Row`. A row that misses its goal is printed as such and does not fail the run: a benchmark informs,
tests decide.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from types import ModuleType

from tests import bench
from tests.bench.row import Row
from tests.bench.table import show, write


def modules() -> list[ModuleType]:
    names = sorted(info.name for info in pkgutil.iter_modules(bench.__path__) if not info.name.startswith("_"))
    found = [importlib.import_module(f"tests.bench.{name}") for name in names]
    return [module for module in found if hasattr(module, "ROWS")]


def chosen(wanted: str | None) -> list[ModuleType]:
    """The modules that measure a row whose name contains `wanted`; all of them for None."""
    available = modules()
    picked = [module for module in available if not wanted or any(wanted in name for name in module.ROWS)]
    if not picked:
        known = "\n  ".join(name for module in available for name in module.ROWS)
        raise SystemExit(f"no row is named {wanted!r}; there are:\n  {known}")
    return picked


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--row", help="measure only rows whose name contains this")
    wanted = parser.parse_args().row
    rows: list[Row] = []
    for module in chosen(wanted):
        rows += [row for row in module.rows() if not wanted or wanted in row.row]
        # All together take half an hour: what has been measured stays if a later benchmark breaks off.
        write(rows)
    show(rows)


if __name__ == "__main__":
    main()
