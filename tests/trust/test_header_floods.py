"""Clients that send too much, or never the end, against the server as its image runs it, beside a well-behaved one."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from common.edges.http_protocol import MAX_CONNECTIONS
from common.edges.wiring import make_context
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import shop_environment, shop_layer
from tests.trust.accounts import Account
from tests.trust.other_client import another_client, milliseconds
from tests.trust.recommend_server import Peaks, Running, running

pytestmark = [pytest.mark.s3, pytest.mark.slow(lane="trust")]

PLAIN = "/v1/popular?n=10"
HEAD = b"GET /v1/popular HTTP/1.1\r\nHost: shop\r\n"
MOST_GROWTH = 120 << 20
"""1,024 connections with 16 KB of headers or some 60 KB of a body each, and what the interpreter keeps of them."""

LONGEST_S, TIMES_ALONE = 4.0, 10.0
"""Another client may wait so long, or so many times as long as without the attack: the machine may do other work. A
connection that finds the kernel's queue full of three thousand others is tried again after one second, and two."""

MOST_FILES = MAX_CONNECTIONS + 200
"""Connections, and the files and sockets that a worker has open at any time."""

ATTACK_S, HELD_S = 6.0, 8.0
HALF_SENT = 3_000
PIECE = b"A: " + b"b" * 1_019 + b"\r\n"


@pytest.fixture(scope="module")
def server(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("flooded")
    environment = shop_environment(object_store, TEST_BUCKET, directory)
    context = make_context(environment)
    publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], directory)
    with running(environment, directory) as server:
        yield server


@pytest.fixture(autouse=True)
def many_files() -> None:
    """Both ends of three thousand connections: the server inherits the limit, and has a bound of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8_192), most))


def connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=10)
    connection.settimeout(2)
    return connection


def many_headers(port: int) -> None:
    """200 MB over twenty connections in turns, each of which goes on as long as it is open."""
    with ExitStack() as opened:
        connections = [opened.enter_context(connect(port)) for _ in range(20)]
        for connection in connections:
            connection.sendall(HEAD)
        for _ in range(100):
            for connection in connections:
                with suppress(OSError):
                    connection.sendall(PIECE * 100)


def one_long_header(port: int) -> None:
    with suppress(OSError), connect(port) as connection:
        connection.sendall(HEAD + b"A: ")
        for _ in range(960):
            connection.sendall(b"b" * (1 << 16))


def half_sent_requests(port: int) -> None:
    hold(port, [HEAD + PIECE] * HALF_SENT)


def stalled_bodies(port: int) -> None:
    head = b"POST /v1/recommendations HTTP/1.1\r\nHost: shop\r\nContent-Length: 60000\r\n\r\n"
    hold(port, [head + b"{" + b" " * 30_000] * 800)


def hold(port: int, beginnings: list[bytes]) -> None:
    """Opens a connection for each, sends it, and keeps all of them open."""
    with ExitStack() as opened:
        for beginning in beginnings:
            with suppress(OSError):
                connection = opened.enter_context(connect(port))
                connection.sendall(beginning)
        time.sleep(HELD_S)


@pytest.mark.parametrize("attack", [many_headers, one_long_header, half_sent_requests, stalled_bodies])
def test_neither_memory_nor_another_client_suffers(
    server: Running, attack: Callable[[int], None], account: Account
) -> None:
    with another_client(server.port, "/healthz", PLAIN) as alone:
        time.sleep(3)
    before, peaks = server.rss(), Peaks(server)
    peaks.start()
    with another_client(server.port, "/healthz", PLAIN) as seen:
        ends = time.monotonic() + ATTACK_S
        while time.monotonic() < ends:
            attack(server.port)
    peaks.stop()
    grown = peaks.rss - before
    name = attack.__name__.replace("_", " ")
    account(
        attacks=1,
        **{f"MB grown by {name}": grown // 1_000_000, f"files open by {name}": peaks.files},
        **milliseconds(seen, f"beside {name}"),
        **milliseconds(alone, "before"),
    )
    for path, those in seen.items():
        assert those.failures == []
        assert those.seconds
        assert those.longest_s < max(LONGEST_S, TIMES_ALONE * alone[path].longest_s)
    assert grown < MOST_GROWTH
    assert peaks.files < MOST_FILES
