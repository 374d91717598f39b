"""`make sizing`: measures generated shops of growing size in the real functions; writes a table and build/sizing.json.

The results of a size are written as soon as they are there. A size that does not fit on this machine is left out, with
a message. The disk space of a size is freed before the next.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.local.calls import StartError
from infra.local.children import end_on_signals
from infra.local.manifest import read_manifest
from infra.local.stack import ROOT
from infra.sizing import limits
from infra.sizing.row import Row
from infra.sizing.site import SizingError, open_site
from infra.sizing.sizes import SIZES, Size
from infra.sizing.stages import TRAIN, measure
from infra.sizing.table import cells

WIDTH = 160
"""Width of the output in columns if it is no terminal."""


def main() -> int:
    arguments = _arguments()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    end_on_signals()
    rows: list[Row] = []
    for size in _chosen(arguments.sizes):
        row = Row(size, problem=limits.no_room(rows[-1] if rows else None, size, ROOT))
        rows.append(row)
        if row.problem is None:
            _run(row, rows, arguments, console)
        _write(arguments.output, rows)
        _say(console, row)
    _show(console, rows)
    return 1 if any(row.problem for row in rows) else 0


def _run(row: Row, rows: list[Row], arguments: argparse.Namespace, console: Console) -> None:
    directory = arguments.directory / row.size.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    status = console.status(f"{row.size}: starting")
    try:
        with status, open_site(directory) as site:
            for stage in measure(site, row):
                status.update(f"{row.size}: {stage}")
                _write(arguments.output, rows)
    except (SizingError, StartError) as error:
        row.problem = str(error)
    finally:
        row.beyond = limits.beyond(row, read_manifest())
        shutil.rmtree(directory, ignore_errors=True)


def _write(output: Path, rows: list[Row]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(_document(rows), indent=2) + "\n")


def _document(rows: list[Row]) -> dict[str, Any]:
    return {
        "taken": datetime.now(UTC).date().isoformat(),
        "machine": limits.machine(),
        "train": f"recsys {' '.join(TRAIN)}",
        "rows": [asdict(row) for row in rows],
    }


def _say(console: Console, row: Row) -> None:
    """Prints a row in words."""
    console.print(str(row.size), style="bold")
    for name, stage in row.stages.items():
        cost = stage.cost
        line = (
            f"  {name}: {cost.seconds:.1f} s, {cost.cpu_seconds:.1f} s of a processor, {cost.peak_bytes / 1e6:.0f} MB"
        )
        console.print(line)
    for line in [*row.beyond, *([row.problem] if row.problem else [])]:
        console.print(f"  {line}", style="red", markup=False, soft_wrap=True)


def _show(console: Console, rows: list[Row]) -> None:
    columns = [cells(asdict(row)) for row in rows]
    table = Table("", *(row.size.name for row in rows))
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    console.print(table)


def _chosen(names: str | None) -> list[Size]:
    wanted = names.split(",") if names else [size.name for size in SIZES]
    if unknown := set(wanted) - {size.name for size in SIZES}:
        raise SystemExit(f"no size is named {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in SIZES)}")
    return [size for size in SIZES if size.name in wanted]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make sizing", description=__doc__)
    parser.add_argument("--sizes", help=f"only these, by comma: {', '.join(size.name for size in SIZES)}")
    parser.add_argument(
        "--directory", type=Path, default=ROOT / ".local" / "sizing", help="where a shop lies meanwhile"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "sizing.json", help="the rows as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
