"""`recsys export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from common.cli.people import IdFile, named_people
from common.cli.session import AsJson, session
from common.errors import BadRequest


def export(
    user_id: Annotated[
        str | None, typer.Argument(help="A user id, as the uploads name it.", show_default=False)
    ] = None,
    source: IdFile = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write. Default: standard output.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print all data of one person as JSON: their events, what is served of them, and whether they were erased."""
    with session(as_json) as current:
        from common.usecases.erase.export import export_person
        from common.usecases.shared.key_check import check_key

        [person, *more] = named_people([user_id] if user_id else None, source)
        if more:
            raise BadRequest("an export is of one person: name one")
        ctx = current.context()
        check_key(ctx)  # with another key no person is found, and the answer would be wrong
        exported = export_person(ctx, person)
        if out is not None:
            _write(out, exported.model_dump_json(indent=2))
        current.answer(
            exported.model_dump(mode="json"),
            lambda console: (
                console.print(f"exported to {out}", soft_wrap=True)
                if out
                else console.print_json(exported.model_dump_json())
            ),
        )


def _write(path: Path, text: str) -> None:
    """Writes a file that only its owner can read."""
    try:
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror}") from None
