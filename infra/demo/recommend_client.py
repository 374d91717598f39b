"""A client of the recommend function, as a shop's back end has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import jwt

from common.schemas.kind import Kind
from infra.local.calls import Answer, call

TOKEN_LIFE = timedelta(minutes=5)
N = 10

REASONS = {
    "because_you_bought": "because you bought {}",
    "buy_again": "bought before",
    "similar_to": "similar to {}",
    "in_your_basket": "goes with {}",
    "popular": "popular now",
    "popular_in_category": "popular in its category",
    "new": "new",
    "because_you_viewed": "because you viewed {}",
    "recently_viewed": "viewed before",
    "on_sale": "on sale",
    "bought_together": "bought with {}",
}


@dataclass(frozen=True)
class Recommended:
    """An item of an answer. `rung` is the source that it comes from; `reason` says why it is recommended, and
    `cause` is the id of the item that it names."""

    item_id: str
    title: str
    category: str
    brand: str
    price: float | None
    rung: str
    reason: str
    cause: str | None = None


class RecommendClient:
    """A client of the function at `url`. Without a successful answer, a list is an empty tuple: the shop's page is then
    shown without recommendations.

    `token_key` is the secret with which the shop's back end signs tokens; `titles` are the titles by item id.
    """

    def __init__(self, url: str, token_key: str, titles: Mapping[str, str]) -> None:
        self.url = url
        self._token_key = token_key
        self._titles = titles

    def for_person(self, user_id: str, **filters: str | None) -> tuple[Recommended, ...]:
        return self._items(self.answer("GET", "/v1/recommendations", filters, token=self.token(user_id)))

    def for_basket(self, item_ids: Sequence[str], **filters: str | None) -> tuple[Recommended, ...]:
        body = {"basket": list(item_ids), "n": N, **{name: [value] for name, value in _given(filters).items()}}
        return self._items(self.answer("POST", "/v1/recommendations", body=body))

    def of_kind(
        self, kind: Kind, user_id: str | None = None, n: int = N, category: str | None = None
    ) -> tuple[Recommended, ...]:
        """The list of a kind, for a person or for nobody."""
        query: dict[str, str | None] = {"kind": kind.value, "n": str(n), "category": category}
        token = None if user_id is None else self.token(user_id)
        return self._items(self.answer("GET", "/v1/recommendations", query, token=token))

    def for_nobody(self) -> tuple[Recommended, ...]:
        """The recommendations for an unknown visitor."""
        return self._items(self.answer("GET", "/v1/recommendations", {}))

    def similar(self, item_id: str) -> tuple[Recommended, ...]:
        return self._items(self.answer("GET", f"/v1/items/{quote(item_id, safe='')}/similar", {}))

    def popular(self, **filters: str | None) -> tuple[Recommended, ...]:
        return self._items(self.answer("GET", "/v1/popular", filters))

    def bundle_id(self) -> str:
        """The id of the served bundle; empty if recommend does not answer."""
        answer = self.answer("GET", "/readyz")
        return str(answer.json()["bundle_id"]) if answer is not None and answer.status == 200 else ""

    def answer(
        self,
        method: str,
        path: str,
        query: dict[str, str | None] | None = None,
        *,
        body: dict[str, Any] | None = None,
        token: str | None = None,
    ) -> Answer | None:
        url = f"{self.url}{path}?{urlencode({'n': N, **_given(query)})}" if query is not None else f"{self.url}{path}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return call(method, url, body=json.dumps(body).encode() if body is not None else None, headers=headers)

    def token(self, user_id: str) -> str:
        """Returns a token that identifies the person to recommend for `TOKEN_LIFE`."""
        return jwt.encode({"sub": user_id, "exp": datetime.now(UTC) + TOKEN_LIFE}, self._token_key, algorithm="HS256")

    def _items(self, answer: Answer | None) -> tuple[Recommended, ...]:
        if answer is None or answer.status != 200:
            return ()
        return tuple(self._recommended(item) for item in answer.json()["items"])

    def _recommended(self, item: dict[str, Any]) -> Recommended:
        reason = item["reason"]
        cause = self._titles.get(reason.get("item_id", ""), "something else")
        return Recommended(
            item_id=item["item_id"],
            title=item["title"] or item["item_id"],
            category=item["category"] or "",
            brand=item["brand"] or "",
            price=item["price"],
            rung=item["rung"],
            reason=REASONS[reason["code"]].format(cause),
            cause=reason.get("item_id"),
        )


def _given(filters: dict[str, str | None] | None) -> dict[str, str]:
    return {name: value for name, value in (filters or {}).items() if value is not None}
