"""The session of a command: its context, its answer as text or JSON, and its exit status."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from common import logs
from common.cli.extras import lacking_extra
from common.errors import (
    CorruptError,
    InputError,
    RecsysError,
    RefusedError,
    SettingError,
    UnavailableError,
)

if TYPE_CHECKING:
    from rich.console import Console

    from common.usecases.shared.context import Context

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on standard output.")]

UNFORESEEN: Final = 1
LOG_WIDTH: Final = 160
"""Width of the output in columns if it is no terminal."""

log = logging.getLogger(__name__)

_STATUS_OF: Final[Mapping[type[RecsysError], int]] = {
    SettingError: 3,
    InputError: 4,
    RefusedError: 5,
    UnavailableError: 6,
    CorruptError: 7,
}


class Session:
    """The run of one command. `console` is for people; with `--json` it is standard error. It shows every text as it
    is, because the name of a file may hold what looks like markup."""

    def __init__(self, as_json: bool) -> None:
        from rich.console import Console

        logs.configure("recsys", "warning")
        self.as_json = as_json
        self.console: Console = Console(stderr=as_json, highlight=False, markup=False, emoji=False)
        if not self.console.is_terminal:
            self.console.width = LOG_WIDTH

    def context(self) -> Context:
        """Returns the context, and logs as a function does if no terminal is there. Raises `SettingError`."""
        from common.edges.wiring import make_context

        ctx = make_context(os.environ)
        if not sys.stderr.isatty():
            logs.configure("recsys", ctx.settings.log_level)
            ctx.cache.mark_faults()
        return ctx

    def answer(self, document: Any, show: Callable[[Console], None]) -> None:
        """Prints `document` as JSON, or calls `show` to print for people."""
        if self.as_json:
            print(json.dumps(document, default=str, indent=2))  # noqa: T201 (the command's answer)
        else:
            show(self.console)


@contextmanager
def session(as_json: bool) -> Iterator[Session]:
    """Turns errors of the error tree into a message and an exit status. Other errors keep their traceback."""
    current = Session(as_json)
    try:
        yield current
    except RecsysError as error:
        _report(current, error)
        raise typer.Exit(status_of(error)) from None
    except ModuleNotFoundError as error:
        lack = lacking_extra(error)
        if lack is None:
            raise
        _report(current, lack)
        raise typer.Exit(status_of(lack)) from None


def show_notices(console: Console, notices: Sequence[str]) -> None:
    """What an operator must know beside the answer, a line each."""
    for notice in notices:
        console.print(f"note: {notice}", style="yellow", soft_wrap=True)


def status_of(error: RecsysError) -> int:
    return next((status for kind, status in _STATUS_OF.items() if isinstance(error, kind)), UNFORESEEN)


def _report(current: Session, error: RecsysError) -> None:
    if not sys.stderr.isatty():
        logs.event(log, logging.ERROR, "command failed", code=error.code, detail=error.message)
    if current.as_json:
        document = {"error": {"code": error.code, "message": error.message}}
        current.answer(document, lambda _console: None)
    else:
        current.console.print(f"{error.code}: {error.message}", style="red", soft_wrap=True)
