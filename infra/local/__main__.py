"""`python -m infra.local`: runs the local stack until Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local.calls import StartError
from infra.local.children import end_on_signals
from infra.local.environment import OPERATOR_FILE
from infra.local.ports import PortError, choose_ports
from infra.local.stack import ROOT, Stack

START_ERRORS = (PortError, StartError)
INTERRUPTED = 130


def main() -> int:
    arguments = _arguments()
    console = Console()
    end_on_signals()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        run(arguments.directory, arguments.port, console)
    except START_ERRORS as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return INTERRUPTED
    return 0


def run(directory: Path, replacements: list[str], console: Console) -> None:
    """Starts the stack and waits until a signal ends it."""
    status = console.status("starting")
    with (
        status,
        Stack(directory, ports=choose_ports(replacements), say=lambda part: status.update(f"starting {part}")) as stack,
    ):
        status.stop()
        console.print(_table(stack))
        console.print(
            f"`source {directory / OPERATOR_FILE}` makes `recsys` speak to it. Ctrl-C ends it.",
            markup=False,
            soft_wrap=True,
        )
        while True:
            signal.pause()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER", help="another port for a part")
    parser.add_argument("--directory", type=Path, default=ROOT / ".local", help="where data, logs and secrets lie")
    return parser.parse_args()


def _table(stack: Stack) -> Table:
    table = Table("part", "address", "process")
    for name, pid in stack.pids().items():
        table.add_row(name, stack.url(name), str(pid))
    table.add_row("router", stack.url("router"), "this one")
    return table


if __name__ == "__main__":
    sys.exit(main())
