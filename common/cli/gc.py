"""`recsys gc`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from common.cli.session import AsJson, session


def gc(
    older_than_hours: Annotated[float, typer.Option(help="Spare what was written since; at least 1.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Delete unreferenced files, as the sweep does, without taking in uploads."""
    with session(as_json) as current:
        from common.usecases.shared.garbage import collect_garbage

        deleted = collect_garbage(current.context(), timedelta(hours=older_than_hours))
        current.answer(
            {"deleted": deleted}, lambda console: console.print(f"{len(deleted)} unreferenced files deleted")
        )
