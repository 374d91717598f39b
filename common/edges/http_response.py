"""Answers of the storefront API, in the form that the ASGI server takes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from common.edges import problems
from common.edges.http_request import Send
from common.edges.request_id import HEADER

Headers = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"
PRIVATE: Final = (b"cache-control", b"private, no-store")
BRIEFLY: Final = (b"cache-control", b"public, max-age=5")


class Response:
    """An answer with its complete body and headers."""

    def __init__(self, status: int, content_type: bytes, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()):
        self.status = status
        self.headers: Headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
        self._body = body

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self._body})


def json_response(document: dict[str, Any], status: int = 200) -> Response:
    return Response(status, JSON, json.dumps(document, ensure_ascii=False).encode())


def problem_response(
    document: dict[str, Any], request_id: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> Response:
    """The answer for a problem document, which a function of `problems` has made."""
    status: int = document["status"]
    usual = [(name.lower().encode(), value.encode()) for name, value in problems.headers_of(status).items()]
    named = (HEADER.lower().encode(), request_id.encode())
    body = json.dumps({**document, "request_id": request_id}, ensure_ascii=False).encode()
    return Response(status, problems.CONTENT_TYPE.encode(), body, [PRIVATE, named, *usual, *headers])
