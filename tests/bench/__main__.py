"""`make bench`: every row beside its reference, in one table and in build/bench.json.

A benchmark is a module of this package with `ROWS`, the names it measures, and `rows()`, which measures them and
returns a list of `Row`. A row that misses its goal is printed as such and does not fail the run: a benchmark informs,
tests decide.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table

from tests import bench
from tests.bench.row import Row

OUTPUT = Path("build/bench.json")


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


def show(rows: list[Row]) -> None:
    table = Table("row", "value", "reference", "ratio", "goal", "holds")
    for row in rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.row, row.value, row.reference, ratio, row.goal, "yes" if row.holds else "NO")
    Console(width=200).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--row", help="measure only rows whose name contains this")
    wanted = parser.parse_args().row
    rows = [row for module in chosen(wanted) for row in module.rows() if not wanted or wanted in row.row]
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([row.as_dict() for row in rows], indent=2) + "\n")
    show(rows)


if __name__ == "__main__":
    main()
