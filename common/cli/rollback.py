"""`recsys rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from common.cli.session import AsJson, session


def rollback(
    to: Annotated[str | None, typer.Option(help="A bundle id of the history. Default: the version before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve an earlier version again. Nothing is deleted, and a later train goes on from there."""
    with session(as_json) as current:
        from common.usecases.publish import rollback as point_back

        bundle = point_back(current.context(), to)
        document = bundle.model_dump(mode="json", exclude={"layers"})
        line = f"serving {bundle.model.family} trained {bundle.model.trained_at:%Y-%m-%d %H:%M} UTC"
        current.answer(document, lambda console: console.print(f"{line}, bundle {bundle.bundle_id}"))
