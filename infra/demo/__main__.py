"""`make demo`: a real shop's year goes through the whole system on this machine, and a storefront shows the result.

`--once` ends after the summary. The exit status is 1 if a step failed.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from common.errors import RecsysError
from common.usecases.ingest.upload import UploadKind
from infra.demo import visitors
from infra.demo.checks import DemoError, require
from infra.demo.opened import open_demo, read_shop
from infra.demo.report import Report
from infra.demo.steps import Demo
from infra.demo.storefront import WIDGET
from infra.demo.tour import walk
from infra.local.calls import StartError
from infra.local.children import end_on_signals
from infra.local.ports import PortError, choose_ports, require_free
from infra.local.stack import ROOT

BUILD = ROOT / "build"
DIRECTORY = ROOT / ".local" / "demo"
"""The demo's directory, which is emptied at every start."""

MARKER = ".recsys-demo"

FAILURES = (DemoError, PortError, StartError, RecsysError)
INTERRUPTED = 130
LOG_WIDTH = 140
"""Width of the output in columns if it is no terminal."""


class Stopwatch:
    """The seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started


def main() -> int:
    arguments = _arguments()
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    end_on_signals()
    try:
        ports = choose_ports(arguments.port)
        require_free(ports)
        require(WIDGET.exists(), f"{WIDGET} is not there; `make widget` builds it")
        _start_afresh(arguments.directory)
        _run(console, arguments.directory, ports, once=arguments.once)
    except FAILURES as error:
        console.print(f"The demo stopped: {error}", style="red", markup=False, soft_wrap=True)
        console.print(f"Logs are in {arguments.directory / 'logs'}.", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return INTERRUPTED
    return 0


def _run(console: Console, directory: Path, ports: dict[str, int], *, once: bool) -> None:
    watch = Stopwatch()
    with console.status("reading the grocer's year"), watch.step("shop"):
        shop = read_shop(directory, ports)
    with open_demo(console, directory, ports, shop) as demo:
        report = _report(demo, watch)
        report.write(BUILD / "demo.json")
        for visit in report.visits:
            visitors.show(console, visit)
        report.show(console)
        if not once:
            _stay(console, demo.stack.url("storefront"))


def _report(demo: Demo, watch: Stopwatch) -> Report:
    with watch.step("ingest"):
        ingests = [
            demo.take_in(demo.shop.items, UploadKind.ITEMS),
            demo.take_in(demo.shop.events, UploadKind.EVENTS),
        ]
    with watch.step("train"):
        training = demo.train()
        bundle = demo.served()
    found = visitors.visits(demo.shop, demo.client)
    with watch.step("change"):
        change = demo.change()
        baskets = demo.buy_baskets()
    with watch.step("storefront"):
        walk(demo)
    return Report(ingests, training, bundle, found, change, baskets, watch.seconds)


def _stay(console: Console, url: str) -> None:
    console.print(f"\nThe storefront is at [bold]{url}[/bold]. Ctrl-C ends everything.")
    while True:
        signal.pause()


def _start_afresh(directory: Path) -> None:
    """Deletes the data of an earlier demo, so that every demo is the same."""
    if directory.exists() and any(directory.iterdir()) and not (directory / MARKER).exists():
        raise DemoError(f"{directory} holds something else than an earlier demo: name another directory")
    shutil.rmtree(directory, ignore_errors=True)
    logs = directory / "logs"
    logs.mkdir(parents=True)
    (directory / MARKER).touch()
    logging.basicConfig(filename=logs / "stack.log", level=logging.INFO, format="%(asctime)s %(message)s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the summary")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER", help="another port for a part")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="for data, logs and secrets; it is emptied")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
