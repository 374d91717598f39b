"""`make images`: builds the functions' images, measures them, starts them, and runs the demo's job inside them."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from infra.demo.checks import DemoError
from infra.images import start_up
from infra.images.choice import DIRECTORY, chosen_engine
from infra.images.demo import run_demo
from infra.images.engine import ROOT, TARGETS, Engine, ImageError, revision
from infra.local.calls import StartError
from infra.local.children import end_on_signals
from infra.local.ports import PortError, choose_ports

FIGURES = ROOT / "build" / "images.json"
MB = 10**6
LIMITS_MB = {"recommend": 400, "ingest": 500, "update": 500, "train": 1000}


def main() -> int:
    arguments = _arguments()
    console = Console(highlight=False)
    end_on_signals()
    try:
        ports = choose_ports(arguments.port)
        engine = chosen_engine()
        targets = arguments.images or TARGETS
        for target in targets:
            _build(engine, target, console, build=not arguments.keep)
        measure(engine, targets, console)
        if arguments.demo:
            _demo(engine, ports, console)
    except (ImageError, DemoError, PortError, StartError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    return 0


def _build(engine: Engine, target: str, console: Console, *, build: bool) -> None:
    if build:
        with console.status(f"building {target}"):
            engine.build(target)
    with console.status(f"starting {target}"):
        start_up.check(engine, target)
    console.print(f"{target} starts, and its libraries work")


def measure(engine: Engine, targets: Sequence[str], console: Console) -> None:
    table = Table("image", "MB on disk", "limit", box=None, pad_edge=False)
    sizes = {target: engine.size_bytes(target) / MB for target in targets}
    for target, size in sizes.items():
        table.add_row(target, f"{size:.0f}", f"{LIMITS_MB[target]}")
    console.print(table)
    _write_sizes(sizes)
    large = [target for target, size in sizes.items() if size > LIMITS_MB[target]]
    if large:
        raise ImageError(f"larger than allowed: {', '.join(large)}")


def _write_sizes(sizes: Mapping[str, float]) -> None:
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    images = {target: {"megabytes": round(size, 1), "limit": LIMITS_MB[target]} for target, size in sizes.items()}
    FIGURES.write_text(json.dumps({"revision": revision(), "images": images}, indent=1) + "\n")


def _demo(engine: Engine, ports: Mapping[str, int], console: Console) -> None:
    directory = DIRECTORY / "demo"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    run_demo(engine, directory, ports, console)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.images", description=__doc__)
    parser.add_argument("--only", dest="images", action="append", choices=TARGETS, help="this image; may be repeated")
    parser.add_argument("--keep", action="store_true", help="take what was built before")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER", help="another port for a part")
    parser.add_argument("--no-demo", dest="demo", action="store_false", help="end after the sizes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
