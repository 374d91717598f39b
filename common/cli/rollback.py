"""`recsys rollback`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from common.cli.session import AsJson, session, show_notices


def rollback(
    to: Annotated[str | None, typer.Option(help="A bundle id of the history. Default: the version before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve an earlier version again. Nothing is deleted, and the next training publishes a new version as usual."""
    with session(as_json) as current:
        from common.usecases.publish.rollback import rollback as point_back
        from common.usecases.update.update import bring_up_to_date

        bundle, notices = point_back(current.context(), bring_up_to_date, to)
        document = bundle.model_dump(mode="json", exclude={"layers"}) | {"notices": notices}
        line = f"serving {bundle.model.family} trained {bundle.model.trained_at:%Y-%m-%d %H:%M} UTC"

        def show(console: Console) -> None:
            console.print(f"{line}, bundle {bundle.bundle_id}", soft_wrap=True)
            show_notices(console, notices)

        current.answer(document, show)
