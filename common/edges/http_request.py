"""A request of the storefront API as the ASGI server hands it over."""

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
    """The caller left before the whole body had come; nobody waits for an answer."""


class Request(NamedTuple):
    """raw_path: as it was sent, without the query string; headers: names in lower case."""

    method: str
    raw_path: bytes
    query_string: bytes
    headers: Iterable[tuple[bytes, bytes]]
    receive: Receive

    def header(self, name: bytes) -> bytes | None:
        """The first header of this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def find_id(self) -> str:
        """For what goes wrong with it; a new one at each call where the caller gave none that is well-formed."""
        given = self.header(_REQUEST_ID)
        return request_id_of(None if given is None else given.decode("latin-1"))

    async def body(self) -> bytes:
        """Raises `TooLarge` as soon as more has come than is accepted, and `Disconnected`."""
        body = bytearray()
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
            more = message.get("more_body", False)
        return bytes(body)
