"""What a benchmark says: a table for people, and a file for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.row import Row

OUTPUT = Path("build/bench.json")


def show(rows: Sequence[Row]) -> None:
    table = Table("row", "value", "reference", "ratio", "goal", "holds")
    for row in rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        table.add_row(row.row, row.value, row.reference, ratio, row.goal, "yes" if row.holds else "NO")
    Console(width=200).print(table)


def write(rows: Sequence[Row]) -> None:
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps([row.as_dict() for row in rows], indent=2) + "\n")
