"""The storefront's pages and pictures, and the actions of a visitor.

The visitor, their consent and their basket are in a signed cookie of the shop.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from urllib.parse import urlsplit

from flask import Response, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from infra.demo.checkout import Checkout, Order
from infra.demo.pictures import picture
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import CURRENCY, Item, Person, Shop

SHOP_NAME = "The Corner Grocer"
MAX_BASKET = 50
SHELF = 18
"""Number of products on a category's page; they are its best sellers."""

PICTURE_AGE_S = 3600

View = Callable[..., str | AnyResponse]


class Pages:
    def __init__(self, shop: Shop, client: RecommendClient, checkout: Checkout) -> None:
        self._shop = shop
        self._client = client
        self._checkout = checkout
        self._people = {person.user_id: person for person in shop.people}
        self._shelves: dict[str, list[Item]] = {}
        for item in shop.catalogue.values():
            self._shelves.setdefault(item.category, []).append(item)

    def views(self) -> dict[str, View]:
        return {
            "/": self.home,
            "/aisles/<path:category>": self.aisle,
            "/items/<item_id>": self.product,
            "/basket": self.basket,
            "/order": self.order,
            "/pictures/<item_id>.svg": self.picture,
        }

    def actions(self) -> dict[str, View]:
        return {
            "/basket": self.change_basket,
            "/order": self.buy,
            "/visitor": self.choose_visitor,
            "/consent": self.choose_consent,
        }

    def shared(self) -> dict[str, object]:
        """Values for all pages. The token identifies the visitor to recommend."""
        person = self._person()
        return {
            "shop_name": SHOP_NAME,
            "endpoint": self._client.url,
            "currency": CURRENCY,
            "people": self._shop.people,
            "aisles": {category: self._shelves[category][0] for category in self._shop.aisles},
            "person": person,
            "token": self._client.token(person.user_id) if person else None,
            "consent": _consents(),
            "basket": _basket(),
        }

    def home(self) -> str:
        return render_template("home.html")

    def aisle(self, category: str) -> str:
        shelf = self._shelves.get(category) or abort(404)
        return render_template("aisle.html", category=category, shelf=islice(shelf, SHELF))

    def product(self, item_id: str) -> str:
        return render_template("product.html", item=self._item(item_id))

    def basket(self) -> str:
        return render_template("basket.html", items=self._items(_basket()))

    def order(self) -> str | AnyResponse:
        if "order" not in session:
            return redirect(url_for("basket"), code=303)
        order = Order(**session["order"])
        return render_template("order.html", order=order, items=self._items(order.item_ids))

    def picture(self, item_id: str) -> AnyResponse:
        response = Response(picture(self._item(item_id)), mimetype="image/svg+xml")
        response.cache_control.max_age = PICTURE_AGE_S
        return response

    def change_basket(self) -> AnyResponse:
        item = self._item(request.form.get("item_id", ""))
        others = [item_id for item_id in _basket() if item_id != item.item_id]
        added = [item.item_id] if request.form.get("change") == "add" else []
        session["basket"] = (others + added)[-MAX_BASKET:]
        return redirect(url_for("basket"), code=303)

    def buy(self) -> AnyResponse:
        items, person = self._items(_basket()), self._person()
        if not items:
            return redirect(url_for("basket"), code=303)
        order = self._checkout.buy(items, person.user_id if person else None, consent=_consents())
        session["order"] = order.document()
        session["basket"] = []
        return redirect(url_for("order"), code=303)

    def choose_visitor(self) -> AnyResponse:
        """Changes the visitor, and empties the basket and the order of the visitor before."""
        visitor = request.form.get("visitor", "")
        consent = _consents()
        session.clear()
        session["consent"] = consent
        session["visitor"] = visitor if visitor in self._people else None
        return redirect(url_for("home"), code=303)

    def choose_consent(self) -> AnyResponse:
        session["consent"] = request.form.get("consent") == "true"
        # A path that begins with two slashes would lead to another host.
        page = urlsplit(request.referrer or "").path.lstrip("/\\")
        return redirect(f"/{page}", code=303)

    def _person(self) -> Person | None:
        return self._people.get(session.get("visitor") or "")

    def _item(self, item_id: str) -> Item:
        return self._shop.catalogue.get(item_id) or abort(404)

    def _items(self, item_ids: list[str] | tuple[str, ...]) -> list[Item]:
        return [self._shop.catalogue[item_id] for item_id in item_ids]


def _basket() -> list[str]:
    return list(session.get("basket", ()))


def _consents() -> bool:
    return bool(session.get("consent"))
