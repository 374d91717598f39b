"""The server of ingest, update and train: a client that sends half a request keeps no event from being taken."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from common.edges.http_protocol import MAX_HEAD_BYTES
from common.usecases.shared.context import Context
from infra.local.calls import call
from infra.local.ports import HOST, free_ports
from tests.store.shop import events_csv, keys_under, rows_of

pytestmark = pytest.mark.s3

ROOT = Path(__file__).parents[2]
DEADLINE_S = 300.0
STALLED = 15
HALVES = {
    "nothing": b"",
    "half a head": b"POST / HTTP/1.1\r\nHost: a\r\nX-Half: ",
    "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{",
}


def server(function: str, port: int, environment: dict[str, str], home: Path) -> subprocess.Popen[bytes]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "HOST": HOST, "PORT": str(port)}
    env |= {"FUNCTION_TARGET": function, "FUNCTION_SOURCE": f"functions/{function}/main.py"}
    command = [sys.executable, "-m", "common.edges.trigger_server"]
    return subprocess.Popen(command, cwd=ROOT, env={**env, **environment})


@pytest.fixture
def address(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, int]]:
    port = free_ports()["ingest"]
    with server("ingest", port, environment, tmp_path) as process:
        await_answer(process, port)
        yield f"http://{HOST}:{port}", process.pid
        process.terminate()


def await_answer(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while call("GET", f"http://{HOST}:{port}/healthz") is None:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stalled(url: str, half: bytes) -> socket.socket:
    client = socket.create_connection((HOST, int(url.rpartition(":")[2])))
    client.sendall(half)
    return client


@pytest.mark.slow(lane="faults")
def test_half_sent_requests_keep_nobody_waiting(
    address: tuple[str, int], context: Context, environment: dict[str, str]
) -> None:
    url, _ = address
    token = {"Authorization": f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"}
    context.bucket.put(f"{context.keys.incoming_events}a.csv", events_csv("u,a,2026-01-01,1"))
    halves = [half.replace(b"\r\n\r\n", authorized(token)) for half in HALVES.values()]
    clients = [stalled(url, half) for half in halves for _ in range(STALLED)]
    try:
        answer = call("POST", url, body=b"", headers=token, timeout_s=DEADLINE_S)
        assert answer is not None
        assert answer.status == 200
        assert keys_under(context, "incoming/") == []
        assert len(rows_of(context)) == 1
        # Nobody may hold a connection: each is ended by the server.
        for client in clients:
            client.settimeout(DEADLINE_S)
            assert client.recv(12) in (b"", b"HTTP/1.1 408")
    finally:
        for client in clients:
            client.close()


def authorized(token: dict[str, str]) -> bytes:
    return f"\r\nAuthorization: {token['Authorization']}\r\n\r\n".encode()


def test_a_head_over_the_limit_is_refused(address: tuple[str, int]) -> None:
    """Also that of a later request of a connection: `call` keeps connections."""
    answer = call("GET", f"{address[0]}/healthz", headers={"X-Long": "x" * MAX_HEAD_BYTES})
    assert answer is not None
    assert answer.status == 431


def test_health_is_answered_while_a_call_is_worked_on(
    address: tuple[str, int], context: Context, environment: dict[str, str]
) -> None:
    rows = (f"u{row % 50},i{row},2026-01-{1 + row % 28:02},1" for row in range(20_000))
    context.bucket.put(f"{context.keys.incoming_events}a.csv", events_csv(*rows))
    url, _ = address
    token = {"Authorization": f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"}
    with closing(http.client.HTTPConnection(HOST, int(url.rpartition(":")[2]), timeout=DEADLINE_S)) as connection:
        connection.request("POST", "/", headers=token)
        while not keys_under(context, "runs/"):
            time.sleep(0.02)
        health = call("GET", f"{url}/healthz")
        assert health is not None
        assert health.status == 200
        assert keys_under(context, "incoming/"), "the upload was taken in before the health was asked for"
        assert connection.getresponse().status == 200


def test_a_worker_that_dies_is_replaced(address: tuple[str, int]) -> None:
    url, pid = address
    [worker] = psutil.Process(pid).children()
    worker.send_signal(signal.SIGKILL)
    worker.wait(DEADLINE_S)
    deadline = time.monotonic() + DEADLINE_S
    while call("GET", f"{url}/healthz") is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_work_that_takes_longer_than_the_call_may_ends_with_its_worker(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Else it would hold up every later call."""
    port = free_ports()["ingest"]
    token = {"Authorization": f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"}
    with socket.create_server((HOST, 0)) as silent:
        store = f"http://{HOST}:{silent.getsockname()[1]}"
        changed = {**environment, "RECSYS_S3_ENDPOINT": store, "CLOUD_RUN_TIMEOUT_SECONDS": "1"}
        with server("ingest", port, changed, tmp_path) as process:
            await_answer(process, port)
            assert call("POST", f"http://{HOST}:{port}/", headers=token, timeout_s=DEADLINE_S) is None
            await_answer(process, port)
            process.terminate()
