"""The paths of the storefront API and the methods of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from common.errors import BadRequest


class Endpoint(StrEnum):
    """An endpoint, also used as label in the metrics. `NONE` stands for all unknown paths."""

    __hash__ = str.__hash__  # faster than an Enum's own, and endpoints are keys in each request
    RECOMMENDATIONS = "recommendations"
    ITEMS = "items"
    SIMILAR = "similar"
    BOUGHT_TOGETHER = "bought_together"
    POPULAR = "popular"
    HEALTHZ = "healthz"
    STARTEDZ = "startedz"
    READYZ = "readyz"
    METRICS = "metrics"
    OPENAPI = "openapi"
    NONE = "none"


PATHS: Final = {
    Endpoint.RECOMMENDATIONS: "/v1/recommendations",
    Endpoint.ITEMS: "/v1/items",
    Endpoint.SIMILAR: "/v1/items/{item_id}/similar",
    Endpoint.BOUGHT_TOGETHER: "/v1/items/{item_id}/bought-together",
    Endpoint.POPULAR: "/v1/popular",
    Endpoint.HEALTHZ: "/healthz",
    Endpoint.STARTEDZ: "/startedz",
    Endpoint.READYZ: "/readyz",
    Endpoint.METRICS: "/metrics",
    Endpoint.OPENAPI: "/openapi.json",
}
METHODS: Final = {
    endpoint: ("GET", "HEAD", "POST", "OPTIONS") if endpoint is Endpoint.RECOMMENDATIONS else ("GET", "HEAD", "OPTIONS")
    for endpoint in Endpoint
}
_FIXED: Final = {path.encode(): endpoint for endpoint, path in PATHS.items() if "{" not in path}
_BEFORE_ID: Final = b"/v1/items/"
_AFTER_ID: Final = {
    path.partition("{item_id}")[2].encode(): endpoint for endpoint, path in PATHS.items() if "{" in path
}


class Route(NamedTuple):
    """The endpoint of a path, and the item id in the path if it has one."""

    endpoint: Endpoint
    item_id: str | None = None


_NONE: Final = Route(Endpoint.NONE)
_ROUTES: Final = {path: Route(endpoint) for path, endpoint in _FIXED.items()}


def find_route(raw_path: bytes) -> Route:
    """Returns the route of a path as it was sent, so that an item id may hold an encoded slash.

    Raises `BadRequest` for an item id that is not percent-encoded UTF-8.
    """
    route = _ROUTES.get(raw_path)
    if route is not None:
        return route
    item, slash, last = raw_path.removeprefix(_BEFORE_ID).partition(b"/")
    endpoint = _AFTER_ID.get(slash + last)
    if endpoint is None or not item or not raw_path.startswith(_BEFORE_ID):
        return _NONE
    try:
        return Route(endpoint, unquote_to_bytes(item).decode())
    except UnicodeDecodeError:
        raise BadRequest("the item id in the path is not percent-encoded UTF-8") from None
