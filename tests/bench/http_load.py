"""A load generator: keep-alive connections over plain sockets, one request at a time on each, nothing pipelined."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

CONNECTIONS = 32
WARM_UP_S = 0.5


@dataclass(frozen=True)
class Load:
    """`requests_per_s` while the clock ran; `sample` is one whole response."""

    requests_per_s: float
    sample: bytes


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last is complete."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._received = b""
        self.answers = 0
        self.sample = b""
        self.error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        body = received.find(b"\r\n\r\n") + 4
        if body < 4 or len(received) < body + _content_length(received[:body]):
            self._received = received
            return
        if not received.startswith(b"HTTP/1.1 200"):
            self.error = AssertionError(received.decode())
            self._transport.close()
            return
        self._received = b""
        self.sample = received
        self.answers += 1
        self._transport.write(next(self._requests))


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 : head.find(b"\r", at)])


def measure(port: int, requests: Iterator[bytes], seconds: float) -> Load:
    """Sends requests for so long. Raises `AssertionError` for an answer that is not 200."""
    return uvloop.run(_measure(port, requests, seconds))


async def _measure(port: int, requests: Iterator[bytes], seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: _Connection(requests), "127.0.0.1", port) for _ in range(CONNECTIONS)
    ]
    connections = [protocol for _, protocol in opened]
    await asyncio.sleep(WARM_UP_S)
    before, started = _answers(connections), time.perf_counter()
    await asyncio.sleep(seconds)
    count, elapsed = _answers(connections) - before, time.perf_counter() - started
    for transport, _ in opened:
        transport.abort()
    return Load(count / elapsed, connections[0].sample)


def _answers(connections: Sequence[_Connection]) -> int:
    for connection in connections:
        if connection.error is not None:
            raise connection.error
    return sum(connection.answers for connection in connections)
