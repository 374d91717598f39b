"""A walk through the storefront: requests the pages that a visitor's browser would, without a browser."""

from __future__ import annotations

import re
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from infra.demo.checks import DemoError, require
from infra.demo.steps import Demo

TIMEOUT_S = 10.0


def walk(demo: Demo) -> None:
    """Requests every kind of page, and buys a basket. Raises `DemoError` if a page is wrong."""
    shop, visitor = demo.shop, _Visitor(demo.stack.url("storefront"))
    visitor.expect("/", "popular", "newest", "recently-viewed")
    for path, beginning in (("/recsys-carousel.js", ""), (f"/pictures/{shop.page_item}.svg", "<svg")):
        require(visitor.get(path).startswith(beginning), f"{path} is not what its name says")
    visitor.post("/visitor", visitor=shop.people[0].user_id)
    visitor.post("/consent", consent="true")
    visitor.expect("/", "for-you", "buy-again", "popular", "newest", "recently-viewed")
    visitor.expect(f"/aisles/{quote(shop.aisles[0])}", "for-you", "popular")
    visitor.expect(f"/items/{shop.page_item}", "similar", "bought-together", "recently-viewed")
    for item_id in shop.basket:
        visitor.post("/basket", item_id=item_id, change="add")
    visitor.expect("/basket", "basket")
    receipt = visitor.post("/order")
    visitor.expect("/order", "because-you-bought", "for-you", "popular")
    [before] = re.findall('data-bundle="([^"]+)"', receipt) or [""]
    require(bool(before), "the page of an order does not say what was served before it")
    demo.until("the purchase is in what is served", lambda: demo.client.bundle_id() not in ("", before))


class _Visitor:
    """A client that keeps cookies and follows redirects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> str:
        return self._open(path, None)

    def post(self, path: str, **fields: str) -> str:
        return self._open(path, urlencode(fields).encode())

    def expect(self, path: str, *kinds: str) -> None:
        found = re.findall('<recsys-carousel [^>]*kind="([^"]+)"', self.get(path))
        require(found == list(kinds), f"{path} has carousels of {found} instead of {list(kinds)}")

    def _open(self, path: str, body: bytes | None) -> str:
        try:
            with self._opener.open(self._url + path, body, TIMEOUT_S) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            raise DemoError(f"the storefront answered {error.code} to {path}") from error
