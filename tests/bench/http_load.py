"""A load generator: keep-alive connections over plain sockets, one request at a time on each, nothing pipelined."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import uvloop

from common.schemas.data import F64
from infra.local.ports import HOST

CONNECTIONS = 32
WARM_UP_S = 0.5

OnAnswer = Callable[[bytes, int], None]
"""Gets every whole response and the client's port of its connection."""


@dataclass(frozen=True)
class Load:
    """What a load of `seconds` met, by `time.perf_counter`.

    ended_s (n,) float64: when each answer was complete; latencies_s (n,) float64: since its request was due; `failures`
    are responses that are not 200, or empty where a connection broke; `sample` is one whole response.
    """

    seconds: float
    ended_s: F64
    latencies_s: F64
    failures: tuple[bytes, ...]
    sample: bytes

    @property
    def requests_per_s(self) -> float:
        return len(self.ended_s) / self.seconds

    def p99_s(self, since_s: float = -np.inf, until_s: float = np.inf) -> float:
        inside = (self.ended_s >= since_s) & (self.ended_s < until_s)
        return float(np.quantile(self.latencies_s[inside], 0.99))


@dataclass
class _Tally:
    ended: array[float] = field(default_factory=lambda: array("d"))
    latencies: array[float] = field(default_factory=lambda: array("d"))
    failures: list[bytes] = field(default_factory=list)
    sample: bytes = b""


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last is complete, or every `interval_s` where that is
    later."""

    def __init__(self, requests: Iterator[bytes], tally: _Tally, on_answer: OnAnswer | None, interval_s: float) -> None:
        self._requests = requests
        self._tally = tally
        self._on_answer = on_answer
        self._interval_s = interval_s
        self._received = b""
        self._due = 0.0
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._port = transport.get_extra_info("sockname")[1]
        self._due = time.perf_counter()
        self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self._closing:
            self._tally.failures.append(b"")

    def close(self) -> None:
        self._closing = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        body = received.find(b"\r\n\r\n") + 4
        if body < 4 or len(received) < body + _content_length(received[:body]):
            self._received = received
            return
        self._received = b""
        self._count(received)
        self._go_on()

    def _count(self, received: bytes) -> None:
        now, tally = time.perf_counter(), self._tally
        tally.ended.append(now)
        tally.latencies.append(now - self._due)
        tally.sample = received
        if not received.startswith(b"HTTP/1.1 200"):
            tally.failures.append(received)
        elif self._on_answer is not None:
            self._on_answer(received, self._port)

    def _go_on(self) -> None:
        now = time.perf_counter()
        if not self._interval_s:
            self._due = now
            self._send()
            return
        self._due += self._interval_s
        asyncio.get_running_loop().call_later(max(self._due - now, 0.0), self._send)

    def _send(self) -> None:
        if not self._closing:
            self._transport.write(next(self._requests))


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 : head.find(b"\r", at)])


def measure(port: int, requests: Iterator[bytes], seconds: float, connections: int = CONNECTIONS) -> Load:
    """Sends as many requests as are answered. Raises `AssertionError` for an answer that is not 200."""
    load = observe(port, requests, seconds, connections)
    assert not load.failures, load.failures[0].decode() or "the server closed a connection"
    return load


def observe(
    port: int,
    requests: Iterator[bytes],
    seconds: float,
    connections: int = CONNECTIONS,
    on_answer: OnAnswer | None = None,
    requests_per_s: float | None = None,
) -> Load:
    """As `measure`, with failures as part of the result. `requests_per_s` is the pace; None is as fast as it goes."""
    interval_s = connections / requests_per_s if requests_per_s else 0.0
    return uvloop.run(_observe(port, requests, seconds, connections, on_answer, interval_s))


async def _connected(connection: _Connection, port: int) -> _Connection:
    await asyncio.get_running_loop().create_connection(lambda: connection, HOST, port)
    return connection


async def _observe(
    port: int,
    requests: Iterator[bytes],
    seconds: float,
    n_connections: int,
    on_answer: OnAnswer | None,
    interval_s: float,
) -> Load:
    tally = _Tally()
    connections = []
    for _ in range(n_connections):
        connections.append(await _connected(_Connection(requests, tally, on_answer, interval_s), port))
        # At a pace, the connections take turns.
        await asyncio.sleep(interval_s / n_connections)
    await asyncio.sleep(WARM_UP_S)
    first, started = len(tally.ended), time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    ended, latencies = np.array(tally.ended[first:]), np.array(tally.latencies[first:])
    return Load(elapsed, ended, latencies, tuple(tally.failures), tally.sample)
