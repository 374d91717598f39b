"""User ids of a command: arguments, or lines of a file, which keeps them out of the shell's history."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from common.errors import BadRequest

STDIN: Final = Path("-")
_HEADER: Final = "user_id"

UserIds = Annotated[
    list[str] | None,
    typer.Argument(metavar="[USER_ID]...", help="User ids, as the uploads name them.", show_default=False),
]
IdFile = Annotated[
    Path | None,
    typer.Option("--from", help="A file with a user id a line, as in an upload of erasures; - reads standard input."),
]


def named_people(user_ids: list[str] | None, source: Path | None) -> list[str]:
    """Returns all user ids, without spaces around them. Raises `BadRequest` if there are none or on a bad `source`."""
    lines = [*(user_ids or []), *(_lines(source) if source else [])]
    people = [line.strip() for line in lines if line.strip()]
    if not people:
        raise BadRequest(
            "nobody is named: give user ids, or a file with one a line (--from FILE, - for standard input)"
        )
    return people


def _lines(source: Path) -> list[str]:
    """The lines of `source`, without a header `user_id`."""
    try:
        text = sys.stdin.read() if source == STDIN else source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest(f"{source} cannot be read as a list of user ids: {type(error).__name__}") from None
    lines = text.splitlines()
    return lines[1:] if lines and lines[0].strip().lower() == _HEADER else lines
