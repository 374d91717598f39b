"""The four kinds of visitors of a shop, with the ten recommendations for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.demo.checks import require
from infra.demo.recommend_client import N, RecommendClient, Recommended
from infra.demo.shop import Shop


@dataclass(frozen=True)
class Visit:
    """A visitor with their recommendations. `about` says what is known of the visitor."""

    visitor: str
    about: str
    items: tuple[Recommended, ...]

    def document(self) -> dict[str, Any]:
        return {"visitor": self.visitor, "about": self.about, "items": [asdict(item) for item in self.items]}


def visits(shop: Shop, client: RecommendClient) -> list[Visit]:
    """Requests the recommendations of all four. Raises `DemoError` unless each gets `N` different items."""
    known, page = shop.people[0], shop.catalogue[shop.page_item]
    basket = ", ".join(shop.catalogue[item_id].title for item_id in shop.basket)
    asked: list[tuple[str, str, Callable[[], tuple[Recommended, ...]]]] = [
        ("known person", known.label, lambda: client.for_person(known.user_id)),
        ("anonymous basket", basket, lambda: client.for_basket(shop.basket)),
        ("product page", page.title, lambda: client.similar(page.item_id)),
        ("new visitor", "nothing is known", client.for_nobody),
    ]
    found = [Visit(visitor, about, ask()) for visitor, about, ask in asked]
    for visit in found:
        distinct = {item.item_id for item in visit.items}
        require(len(distinct) == N, f"{visit.visitor} got {len(distinct)} different recommendations instead of {N}")
    return found


def show(console: Console, visit: Visit) -> None:
    table = Table(title=f"{visit.visitor}: {visit.about}", title_justify="left", box=None, pad_edge=False)
    for name in ("", "product", "category", "brand", "price", "why"):
        table.add_column(name, justify="right" if name in ("", "price") else "left", overflow="fold")
    for place, item in enumerate(visit.items, start=1):
        price = f"{item.price:.2f}" if item.price is not None else ""
        table.add_row(str(place), item.title, item.category, item.brand, price, item.reason)
    console.print(table)
    console.print()
