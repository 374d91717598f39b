"""A request to the storefront API, as the ASGI server passes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, NamedTuple

from common.edges.request_id import HEADER, request_id_of
from common.errors import TooLarge

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES: Final = 65_536
_REQUEST_ID: Final = HEADER.lower().encode()


class Disconnected(Exception):
    """The caller has closed the connection before the whole body was sent, so that no answer is needed."""


class Request(NamedTuple):
    """A request. `raw_path` is the path as it was sent, without the query string; header names are in lower case."""

    method: str
    raw_path: bytes
    query_string: bytes
    headers: Iterable[tuple[bytes, bytes]]
    receive: Receive

    def header(self, name: bytes) -> bytes | None:
        """The first header with this lower-case name, None if there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def find_id(self) -> str:
        """The request's id: the caller's if it is well-formed, else a new one at each call."""
        given = self.header(_REQUEST_ID)
        return request_id_of(None if given is None else given.decode("latin-1"))

    async def body(self, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """Reads the whole body. Raises `TooLarge` as soon as it exceeds `max_bytes`, and `Disconnected`."""
        body = bytearray()
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            if len(body) > max_bytes:
                raise TooLarge(f"the body has more than {max_bytes} bytes")
            more = message.get("more_body", False)
        return bytes(body)
