"""`recsys recommend` and `recsys similar`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from common.cli.session import AsJson, Session, session

if TYPE_CHECKING:
    from rich.console import Console

    from common.usecases.recommend import Answer, Query, RecommendService

HowMany = Annotated[int, typer.Option("-n", "--n", help="How many.", min=1)]
Category = Annotated[list[str] | None, typer.Option(help="Only items of this category; repeat it for several.")]
Brand = Annotated[list[str] | None, typer.Option(help="Only items of this brand; repeat it for several.")]
PriceMin = Annotated[float | None, typer.Option(help="Lowest price.", min=0)]
PriceMax = Annotated[float | None, typer.Option(help="Highest price.", min=0)]


def recommend(
    user: Annotated[str | None, typer.Option(help="A user id, as the uploads name it.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item of the basket; repeat it for several.")] = None,
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    as_json: AsJson = False,
) -> None:
    """Show what a person, a basket or somebody unknown is recommended."""
    with session(as_json) as current:
        from common.schemas.data import EventType

        basket = tuple((item_id, EventType.CART) for item_id in item or ())
        query = _query(n, category, brand, price_min, price_max, user_id=user, session=basket)
        _ask(current, lambda service: service.recommend(query))


def similar(
    item_id: Annotated[str, typer.Argument(help="The item whose page is looked at.")],
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    as_json: AsJson = False,
) -> None:
    """Show what the page of an item recommends."""
    with session(as_json) as current:
        query = _query(n, category, brand, price_min, price_max)
        _ask(current, lambda service: service.similar(item_id, query))


def _query(
    n: int,
    category: list[str] | None,
    brand: list[str] | None,
    price_min: float | None,
    price_max: float | None,
    **about: Any,
) -> Query:
    from common.serving.filters import Filter
    from common.usecases.recommend import Query

    wanted = Filter(
        categories=tuple(category or ()), brands=tuple(brand or ()), price_min=price_min, price_max=price_max
    )
    return Query(n=n, wanted=wanted, **about)


def _ask(current: Session, ask: Callable[[RecommendService], Answer]) -> None:
    """Asks what is published now, as the recommend function would answer."""
    from common.usecases.recommend import RecommendService

    service = RecommendService(current.context())
    service.watch.refresh()
    document = json.loads(ask(service).body)
    current.answer(document, lambda console: _show(console, document))


def _show(console: Console, document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "item", "title", "category", "price", "rung", "reason", box=None, pad_edge=False)
    for item in document["items"]:
        reason = item["reason"]
        cells = (
            item["rank"],
            item["item_id"],
            item["title"],
            item["category"],
            item["price"],
            item["rung"],
            reason["code"],
        )
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))
    console.print(table)
    console.print(f"{document['model']}, bundle {document['bundle_id']}")
