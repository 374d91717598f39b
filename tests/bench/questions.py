"""Requests to recommend as bytes: what visitors of the benchmark's shop ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, product
from urllib.parse import urlencode

import jwt
import numpy as np

from common.schemas.kind import Kind
from common.serving.kinds import DECLARATIONS, Need
from tests.bench.grocer import Shop

N = 10
LENGTHS = (10, 11, 9, 12, 8)
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
    return [_post({"n": N, "basket": items}) for items in picked]


@dataclass(frozen=True)
class Asking:
    """Who asks, and about what. `baskets`: lists of five items of a basket each."""

    user_ids: Sequence[str]
    baskets: Sequence[Sequence[str]]
    token_key: str


def asked_of_kind(kind: Kind, asking: Asking) -> list[bytes]:
    """What the place of a kind on a page asks, each question once: each person, item or basket as often as there are
    `LENGTHS` of a list, since no more are different. What is about a visit or a basket has five items."""
    return [question for n in LENGTHS for question in _of_length(kind, n, asking)]


def _of_length(kind: Kind, n: int, asking: Asking) -> list[bytes]:
    needs = DECLARATIONS[kind].needs
    target = f"/v1/recommendations?n={n}&kind={kind}"
    if needs in (Need.PERSON, Need.NOTHING):
        return [request("GET", target, header) for header in _tokens(asking.user_ids, asking.token_key)]
    if needs is Need.ITEM:
        items = dict.fromkeys(item for basket in asking.baskets for item in basket)
        return [request("GET", f"{target}&{urlencode({'item_id': item})}", "") for item in items]
    field = "basket" if needs is Need.BASKET else "viewed"
    return [_post({"n": n, "kind": kind.value, field: list(basket)}) for basket in asking.baskets]


def token_request(user_id: str, token_key: str) -> bytes:
    """One person's request."""
    [header] = _tokens([user_id], token_key)
    return request("GET", _TARGET, header)


def request(method: str, target: str, headers: str, body: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}".encode()


def _post(fields: Mapping[str, object]) -> bytes:
    body = json.dumps(fields)
    headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return request("POST", "/v1/recommendations", headers, body)


def _tokens(user_ids: Sequence[str], token_key: str, hours: float = 1) -> list[str]:
    expires = datetime.now(UTC) + timedelta(hours=hours)
    tokens: Iterator[str] = (jwt.encode({"sub": user, "exp": expires}, token_key, "HS256") for user in user_ids)
    return [f"Authorization: Bearer {token}\r\n" for token in tokens]


def _visits(n_people: int, pages: int) -> list[int]:
    order = np.random.default_rng(1).permutation(n_people)
    in_the_shop = order[: n_people // _AT_A_TIME * _AT_A_TIME].reshape(-1, 1, _AT_A_TIME)
    visits: list[int] = np.repeat(in_the_shop, pages, axis=1).ravel().tolist()
    return visits
