"""The bounds of recommend's server against hostile clients, over real sockets; a well-behaved client beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from common.edges import http_protocol
from common.edges.http_protocol import MAX_HEAD_BYTES, MAX_HEADERS, BoundedProtocol
from common.edges.http_rate import BURST_S, MAX_ADDRESSES, RateLimit

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Server = int
HEAD = b"GET / HTTP/1.1\r\nHost: shop\r\n"
LARGE = b"x" * (1 << 20)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes of the body; `/large` with more than a socket takes at once."""
    n_bytes, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        n_bytes, more = n_bytes + len(message.get("body", b"")), message.get("more_body", False)
    body = LARGE * 16 if scope["path"] == "/large" else str(n_bytes).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    config = uvicorn.Config(
        application, port=0, http=BoundedProtocol, ws="none", lifespan="off", log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


def run(work: Callable[[Server], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving() as port:
            await work(port)

    asyncio.run(main())


async def connect(port: int) -> Connection:
    return await asyncio.open_connection("127.0.0.1", port)


async def status_of(connection: Connection) -> int:
    """0 for a connection that ends without an answer."""
    try:
        line = await connection[0].readline()
    except ConnectionResetError:
        return 0
    return int(line.split()[1]) if line else 0


async def ask(port: int, request: bytes) -> int:
    connection = await connect(port)
    try:
        connection[1].write(request)
        return await status_of(connection)
    finally:
        connection[1].close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(HEAD + b"\r\n", 200, id="well-behaved"),
        pytest.param(HEAD + b"A: b\r\n" * (MAX_HEADERS - 1) + b"\r\n", 200, id="as many headers as may be"),
        pytest.param(HEAD + b"A: b\r\n" * MAX_HEADERS + b"\r\n", 431, id="one header more"),
        pytest.param(HEAD + b"A: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n", 431, id="one long header"),
        pytest.param(b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n", 431, id="one long path"),
        pytest.param(HEAD + b"A: b\r\n" * 100_000, 431, id="headers without end"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 20000\r\n\r\n" + b"b" * 20_000, 200, id="body"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
    ],
)
def test_what_a_head_may_have(request_bytes: bytes, status: int) -> None:
    async def work(port: int) -> None:
        assert await ask(port, request_bytes) == status
        assert await ask(port, HEAD + b"\r\n") == 200

    run(work)


def test_a_head_that_comes_in_pieces_is_counted_as_one() -> None:
    async def work(port: int) -> None:
        connection = await connect(port)
        connection[1].write(HEAD)
        for _ in range(MAX_HEAD_BYTES // 1024):
            connection[1].write(b"A: " + b"b" * 1019 + b"\r\n")
            await connection[1].drain()
        assert await status_of(connection) == 431
        connection[1].close()

    run(work)


def test_a_kept_connection_is_counted_anew_with_each_request() -> None:
    async def work(port: int) -> None:
        reader, writer = await connect(port)
        padding = b"A: " + b"b" * (MAX_HEAD_BYTES // 2) + b"\r\n"
        for _ in range(4):
            writer.write(HEAD + padding + b"\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readexactly(1)
        writer.close()

    run(work)


@pytest.mark.parametrize(
    "half", [b"", b"GET", HEAD, b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\nhalf"], ids=repr
)
def test_a_request_that_does_not_arrive_is_ended(half: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_S", 0.1)

    async def work(port: int) -> None:
        assert await ask(port, half) == 408

    run(work)


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_S", 0.1)
    monkeypatch.setattr(http_protocol, "WRITE_S", 0.1)

    async def work(port: int) -> None:
        reader, writer = await connect(port)
        writer.write(b"GET /large HTTP/1.1\r\nHost: shop\r\n\r\n")
        await reader.read(1)
        reader._transport.pause_reading()  # type: ignore[attr-defined] # the client's own side
        while BoundedProtocol.open_connections:
            await asyncio.sleep(0.01)
        writer.close()

    run(work)


def test_half_sent_requests_make_room_for_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "MAX_CONNECTIONS", 20)

    async def work(port: int) -> None:
        hanging = [await connect(port) for _ in range(50)]
        for _, writer in hanging:
            writer.write(b"GET / HTTP/1.1\r\n")
        for _ in range(30):
            assert await ask(port, HEAD + b"\r\n") == 200
        assert len(BoundedProtocol.open_connections) <= 20
        assert await status_of(hanging[0]) == 503
        for _, writer in hanging:
            writer.close()

    run(work)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestRateLimit:
    def test_an_address_has_a_burst_and_then_its_rate(self) -> None:
        clock = Clock()
        limit = RateLimit(10, 0, clock)
        assert [limit.wait_s("a", None) for _ in range(int(10 * BURST_S))] == [0.0] * int(10 * BURST_S)
        assert limit.wait_s("a", None) == pytest.approx(0.1)
        assert limit.wait_s("b", None) == 0
        clock.now = 0.1
        assert limit.wait_s("a", None) == 0
        assert limit.wait_s("a", None) > 0

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            (0, b"1.1.1.1", "peer"),
            (1, b"9.9.9.9, 1.1.1.1", "1.1.1.1"),
            (2, b"9.9.9.9, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
            (2, b"2.2.2.2", "peer"),
            (1, None, "peer"),
        ],
    )
    def test_only_what_trusted_proxies_have_added_counts(
        self, proxies: int, forwarded: bytes | None, address: str
    ) -> None:
        limit = RateLimit(1, proxies, Clock())
        while limit.wait_s("peer", forwarded) == 0:
            pass
        assert RateLimit(1, 0, Clock()).wait_s(address, None) == 0
        assert limit._buckets.keys() == {address}

    def test_the_memory_is_bounded(self) -> None:
        limit = RateLimit(1, 0, Clock())
        for number in range(MAX_ADDRESSES + 100):
            limit.wait_s(str(number), None)
        assert len(limit._buckets) == MAX_ADDRESSES
