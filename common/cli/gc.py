"""`recsys gc`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from common.cli.session import AsJson, session, show_notices

if TYPE_CHECKING:
    from rich.console import Console

    from common.usecases.shared.garbage import Garbage


def gc(
    older_than_hours: Annotated[float, typer.Option(help="Spare what was written since; at least 1.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Delete unreferenced files, as the sweep does, without taking in uploads."""
    with session(as_json) as current:
        from common.usecases.shared.garbage import collect_garbage

        garbage = collect_garbage(current.context(), timedelta(hours=older_than_hours))
        current.answer(garbage._asdict(), lambda console: _show(console, garbage))


def _show(console: Console, garbage: Garbage) -> None:
    console.print(f"{len(garbage.deleted)} unreferenced files deleted")
    show_notices(console, garbage.notices)
