"""Requests to recommend as bytes: what visitors of the benchmark's shop ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from urllib.parse import urlencode

import jwt
import numpy as np

from tests.bench.grocer import Shop

N = 10
N_FILTERS = 200
PAGES = 5
_AT_A_TIME = 200
_TARGET = f"/v1/recommendations?n={N}"
_CATEGORIES = 50
_PRICES = ((0.5, 10.0), (5.0, 15.0), (10.0, 20.0), (2.0, 18.0))


def known_people(shop: Shop, token_key: str, hours: float = 1, pages: int = PAGES) -> list[bytes]:
    """All people once, each with a token of their own that holds for `hours`, and some hundred of them in the shop at a
    time: each asks `pages` times with the same token, the others in between."""
    headers = _tokens(shop.user_ids, token_key, hours)
    requests = [request("GET", _TARGET, header) for header in headers]
    return [requests[person] for person in _visits(len(requests), pages)]


def filtered(shop: Shop, token_key: str) -> list[bytes]:
    """The same people, who look at a category in a range of prices: `N_FILTERS` different ones."""
    headers = _tokens(shop.user_ids, token_key)
    targets = cycle(f"{_TARGET}&{urlencode(wanted)}" for wanted in filters(shop))
    return [request("GET", next(targets), headers[person]) for person in _visits(len(headers), PAGES)]


def filters(shop: Shop) -> list[dict[str, object]]:
    names, counts = np.unique(shop.layer.catalogue.categories, return_counts=True)
    largest = names[np.argsort(-counts, kind="stable")][:_CATEGORIES].tolist()
    return [
        {"category": category, "price_min": low, "price_max": high}
        for category, (low, high) in product(largest, _PRICES)
    ]


def baskets(shop: Shop) -> list[bytes]:
    """Five items of a real basket each; nobody is named."""
    large = [basket for basket in shop.baskets if len(basket) >= 5][:20_000]
    picked = [[shop.item_ids[item] for item in basket[:5].tolist()] for basket in large]
    bodies = (json.dumps({"n": N, "basket": items}) for items in picked)
    return [
        request(
            "POST", "/v1/recommendations", f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n", body
        )
        for body in bodies
    ]


def token_request(user_id: str, token_key: str) -> bytes:
    """One person's request."""
    [header] = _tokens([user_id], token_key)
    return request("GET", _TARGET, header)


def request(method: str, target: str, headers: str, body: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}".encode()


def _tokens(user_ids: Sequence[str], token_key: str, hours: float = 1) -> list[str]:
    expires = datetime.now(UTC) + timedelta(hours=hours)
    tokens: Iterator[str] = (jwt.encode({"sub": user, "exp": expires}, token_key, "HS256") for user in user_ids)
    return [f"Authorization: Bearer {token}\r\n" for token in tokens]


def _visits(n_people: int, pages: int) -> list[int]:
    order = np.random.default_rng(1).permutation(n_people)
    in_the_shop = order[: n_people // _AT_A_TIME * _AT_A_TIME].reshape(-1, 1, _AT_A_TIME)
    visits: list[int] = np.repeat(in_the_shop, pages, axis=1).ravel().tolist()
    return visits
