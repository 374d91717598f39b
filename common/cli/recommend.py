"""`recsys recommend`, `recsys similar` and `recsys bought-together`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from common.cli.session import AsJson, session
from common.schemas.kind import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from common.cli.ask import Beside

HowMany = Annotated[int, typer.Option("-n", "--n", help="How many.", min=1)]
Category = Annotated[list[str] | None, typer.Option(help="Only items of this category; repeat it for several.")]
Brand = Annotated[list[str] | None, typer.Option(help="Only items of this brand; repeat it for several.")]
PriceMin = Annotated[float | None, typer.Option(help="Lowest price.", min=0)]
PriceMax = Annotated[float | None, typer.Option(help="Highest price.", min=0)]
Url = Annotated[str | None, typer.Option(help="Ask this recommend function. Default: what is published, in process.")]


def recommend(
    user: Annotated[str | None, typer.Option(help="A user id, as the uploads name it.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item of the basket; repeat it for several.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="The list that a page asks for.")] = None,
    page: Annotated[str | None, typer.Option(help="The item whose page is looked at.")] = None,
    viewed: Annotated[list[str] | None, typer.Option(help="An item viewed before, oldest first; repeat it.")] = None,
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the recommendations for a person, a basket or an unknown visitor, or the list of a kind."""
    with session(as_json) as current:
        from common.cli.ask import ask

        fields = _fields(n=n, category=category, brand=brand, price_min=price_min, price_max=price_max, basket=item)
        fields |= _fields(kind=kind, item_id=page, viewed=viewed)
        document = json.loads(ask(current.context(), fields, user_id=user, url=url))
        current.answer(document, lambda console: _show(console, document))


def similar(
    item_id: Annotated[str, typer.Argument(help="The item whose page is looked at.")],
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the recommendations on the page of an item."""
    fields = _fields(n=n, category=category, brand=brand, price_min=price_min, price_max=price_max)
    _answer_beside("similar", item_id, fields, url, as_json)


def bought_together(
    item_id: Annotated[str, typer.Argument(help="The item that others are bought with.")],
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the items that are bought together with an item, then similar items."""
    fields = _fields(n=n, category=category, brand=brand, price_min=price_min, price_max=price_max)
    _answer_beside("bought-together", item_id, fields, url, as_json)


def _answer_beside(kind: Beside, item_id: str, fields: dict[str, Any], url: str | None, as_json: bool) -> None:
    with session(as_json) as current:
        from common.cli.ask import ask_beside

        document = json.loads(ask_beside(current.context(), kind, item_id, fields, url=url))
        current.answer(document, lambda console: _show(console, document))


def _fields(**given: Any) -> dict[str, Any]:
    """The fields of a storefront request, without those that were not given."""
    return {name: value for name, value in given.items() if value is not None and value != []}


def _show(console: Console, document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "item", "title", "category", "price", "rung", "reason", box=None, pad_edge=False)
    for item in document["items"]:
        shown = [item[name] for name in ("rank", "item_id", "title", "category", "price", "rung")]
        cells = [*shown, item["reason"]["code"]]
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))
    console.print(table)
    console.print(f"{document['model']}, bundle {document['bundle_id']}")
