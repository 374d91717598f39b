"""`recsys recommend` and `recsys similar`."""

from __future__ import annotations

from typing import Annotated

import typer

from common.cli.session import AsJson, session


def recommend(
    user: Annotated[str | None, typer.Option(help="A user id, as the uploads name it.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item of the basket; repeat it for several.")] = None,
    n: Annotated[int, typer.Option(help="How many.", min=1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Recommend for a person, for a basket, or for somebody unknown."""
    with session(as_json):
        raise NotImplementedError


def similar(
    item_id: Annotated[str, typer.Argument(help="The item whose page it is.")],
    n: Annotated[int, typer.Option(help="How many.", min=1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Show what the page of an item recommends."""
    with session(as_json):
        raise NotImplementedError
