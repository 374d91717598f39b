"""The demo's storefront: plain server-side pages that ask the recommend function over HTTP, as a shop's back end does.

Who visits is chosen in the page; a shop would know it from its own login. The basket lies in a signed cookie.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from types import TracebackType
from zlib import crc32

from flask import Flask, Response, abort, redirect, render_template, request, session, url_for
from werkzeug.serving import make_server
from werkzeug.wrappers import Response as AnyResponse

from infra.demo.recommend_client import RecommendClient, Recommended
from infra.demo.shop import Item, Shop
from infra.local.ports import HOST

SHOP_NAME = "The Corner Grocer"
MAX_BASKET = 50
CONTENT_SECURITY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'"


@dataclass(frozen=True)
class Rail:
    title: str
    why: str
    items: tuple[Recommended, ...]


def create_app(shop: Shop, client: RecommendClient) -> Flask:
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.jinja_env.filters.update(hue=_hue, initials=_initials, euros=_euros)
    pages = _Pages(shop, client)
    app.add_url_rule("/", "home", pages.home)
    app.add_url_rule("/items/<item_id>", "product", pages.product)
    app.add_url_rule("/basket", "basket", pages.basket)
    app.add_url_rule("/basket", "change_basket", pages.change_basket, methods=["POST"])
    app.add_url_rule("/visitor", "choose_visitor", pages.choose_visitor, methods=["POST"])
    app.context_processor(pages.shared)
    app.after_request(_confined)
    return app


class Storefront:
    """Serves `app` on `port` of the loopback interface between `with` and its end."""

    def __init__(self, app: Flask, port: int) -> None:
        self._server = make_server(HOST, port, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, name="storefront", daemon=True)

    def __enter__(self) -> Storefront:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Pages:
    def __init__(self, shop: Shop, client: RecommendClient) -> None:
        self._shop = shop
        self._client = client
        self._people = {person.user_id: person for person in shop.people}

    def shared(self) -> dict[str, object]:
        return {
            "shop_name": SHOP_NAME,
            "people": self._shop.people,
            "visitor": session.get("visitor"),
            "basket": _basket(),
        }

    def home(self) -> str:
        category = request.args.get("category") or None
        rails = [*self._personal(category), self._popular(category)]
        greeting, explanation = self._greeting()
        return render_template(
            "home.html",
            rails=rails,
            category=category,
            categories=self._shop.aisles,
            greeting=greeting,
            explanation=explanation,
        )

    def product(self, item_id: str) -> str:
        item = self._item(item_id)
        return render_template("product.html", item=item, similar=self._client.similar(item_id))

    def basket(self) -> str:
        items = [self._shop.catalogue[item_id] for item_id in _basket()]
        suggestions = self._client.for_basket(_basket()) if items else self._client.popular()
        return render_template("basket.html", items=items, suggestions=suggestions)

    def change_basket(self) -> AnyResponse:
        item = self._item(request.form.get("item_id", ""))
        others = [item_id for item_id in _basket() if item_id != item.item_id]
        added = [item.item_id] if request.form.get("change") == "add" else []
        session["basket"] = (others + added)[-MAX_BASKET:]
        return redirect(url_for("basket"), code=303)

    def choose_visitor(self) -> AnyResponse:
        visitor = request.form.get("visitor", "")
        session["visitor"] = visitor if visitor in self._people else None
        return redirect(url_for("home"), code=303)

    def _item(self, item_id: str) -> Item:
        return self._shop.catalogue.get(item_id) or abort(404)

    def _greeting(self) -> tuple[str, str]:
        person = self._people.get(session.get("visitor") or "")
        if person:
            return "Good to see you again", f"{person.label}. The shop signed a token that says so."
        if _basket():
            return "Welcome", "Nobody knows who you are; what is in your basket is enough."
        return (
            "Welcome",
            "A new visitor sees what most people buy. Choose somebody above, or put something in the basket.",
        )

    def _personal(self, category: str | None) -> list[Rail]:
        """A person's own list and one for the basket, as far as there are."""
        person = self._people.get(session.get("visitor") or "")
        where = f" in {category}" if category else ""
        rails = []
        if person:
            items = self._client.for_person(person.user_id, category=category)
            rails.append(
                Rail(f"For you{where}", "From what you bought before; what you have already is left out.", items)
            )
        if _basket():
            items = self._client.for_basket(_basket(), category=category)
            rails.append(Rail(f"Goes with your basket{where}", f"{len(_basket())} in the basket.", items))
        return rails

    def _popular(self, category: str | None) -> Rail:
        title = f"Popular in {category}" if category else "Popular now"
        return Rail(title, "What most people buy these weeks.", self._client.popular(category=category))


def _basket() -> list[str]:
    return list(session.get("basket", ()))


def _confined(response: Response) -> Response:
    """No script, no frame, no request to anywhere else."""
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _hue(category: str) -> int:
    return crc32(category.encode()) % 360


def _initials(category: str) -> str:
    words = [word for word in category.replace("/", " ").split() if word[0].isalpha()]
    return "".join(word[0] for word in words[:2]).upper()


def _euros(price: float | None) -> str:
    return f"€ {price:.2f}" if price else ""
