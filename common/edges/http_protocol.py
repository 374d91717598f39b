"""The HTTP protocol of the functions' servers: uvicorn's own with bounds on what a client may send and hold.

recommend is reached without a proxy in front of it where a gateway passes connections on, so the bounds are here. They
are looked at before a header is built or a task is started.
"""

from __future__ import annotations

import asyncio
import json
import math
from itertools import islice
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from common.edges import problems
from common.edges.http_request import MAX_BODY_BYTES

MAX_HEAD_BYTES: Final = 16 << 10
"""Request line and headers together. The longest legal question in a query string takes 8 KB."""

MAX_HEADERS: Final = 100
REQUEST_S: Final = 10.0
"""A request must have arrived whole within this time, its body included; a connection must begin one within it."""

WRITE_S: Final = 30.0
"""An answer must have been read within this time."""

MAX_CONNECTIONS: Final = 1_024
"""Open connections of one worker. A gateway keeps some dozens; each takes about 20 KB."""

_LOOKED_AT: Final = 32


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A refusal is answered with its status and ends the connection."""

    open_connections: ClassVar[dict[BoundedProtocol, None]] = {}
    """In the order in which they were opened."""
    max_body_bytes: ClassVar[int] = MAX_BODY_BYTES

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._due: float | None = None  # when what is under way must have ended; None between two requests
        self._timer: asyncio.TimerHandle | None = None
        self._was_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type] # as uvicorn's own declaration
        self._due = self.loop.time() + REQUEST_S
        self._timer = self.loop.call_later(REQUEST_S, self._look_at_the_clock)
        self.open_connections[self] = None
        if len(self.open_connections) > MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._due is None:  # the first bytes of a request after another one
            self._due = self.loop.time() + REQUEST_S
            self._in_head, self._head_bytes = True, 0
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._receive_long(data)
                return
        super().data_received(data)

    def _receive_long(self, data: bytes) -> None:
        """What is within the bound goes to the parser: the head may end there, and a body or another request follow."""
        self._head_bytes -= len(data)
        while self._in_head and self._head_bytes + len(data) > MAX_HEAD_BYTES:
            allowed = MAX_HEAD_BYTES - self._head_bytes
            self._head_bytes += allowed
            super().data_received(data[:allowed])
            data = data[allowed:]
            if self.transport.is_closing():
                return
            if self._in_head and self._head_bytes >= MAX_HEAD_BYTES:
                self._refuse(431, "headers_too_large", f"the headers have more than {MAX_HEAD_BYTES} bytes")
                return
        if data:
            if self._in_head:
                self._head_bytes += len(data)
            super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if not self._in_head:
            self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.headers) > MAX_HEADERS:
            self._refuse(431, "headers_too_large", f"there are more than {MAX_HEADERS} headers")
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        # What comes after the application has seen too much is not kept for it.
        if self.cycle is not None and len(self.cycle.body) <= 2 * self.max_body_bytes:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.cycle is None or self.transport.is_closing():
            return
        super().on_message_complete()
        self._due = None if self.cycle.response_complete else self.loop.time() + WRITE_S

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.cycle.more_body and not self.pipeline:
            self._due = None

    def _look_at_the_clock(self) -> None:
        now = self.loop.time()
        if self.transport.is_closing():
            if self._was_closing:
                self.transport.abort()  # the client does not read what is left for it
                return
            self._was_closing = True
        if self._due is not None and now >= self._due:
            self._end_overdue()
        wait = REQUEST_S if self._due is None else max(self._due - now, 1.0)
        self._timer = self.loop.call_later(wait, self._look_at_the_clock)

    def _end_overdue(self) -> None:
        """Answers a request that has not arrived, or cuts off a client that does not read. An answer that is still
        being made keeps its connection: opening a large bundle may take longer."""
        if self.cycle is None or self.cycle.response_complete or self._in_head or self.cycle.more_body:
            self._refuse(408, "request_timeout", f"the request did not arrive within {REQUEST_S:g} s")
        elif self.cycle.response_started:
            self.transport.abort()

    def _make_room(self) -> None:
        """Ends the connection whose request has been incomplete for longest among the oldest, then one between two
        requests; this one if there is neither. Looking at all would make a flood of connections cost its square."""
        others = (other for other in self.open_connections if other is not self)
        incomplete = list(islice((other for other in others if other._in_head), _LOOKED_AT))
        ended = min(incomplete, key=lambda other: other._due or math.inf, default=self)
        if ended is self:
            ended = next((other for other in self.open_connections if other._due is None), self)
        self.open_connections.pop(ended, None)
        if ended._due is None:
            ended.transport.close()
        else:
            ended._refuse(503, "too_many_connections", "too many connections are open")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        problems.refused[status] += 1
        body = json.dumps(problems.problem(status, code, detail)).encode()
        retry = b"".join(f"{name}: {value}\r\n".encode() for name, value in problems.headers_of(status).items())
        head = b"content-type: %b\r\ncontent-length: %d\r\n" % (problems.CONTENT_TYPE.encode(), len(body))
        self.transport.write(STATUS_LINE[status] + head + retry + b"connection: close\r\n\r\n" + body)
        self.transport.close()
