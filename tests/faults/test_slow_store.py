"""A store that accepts and does not answer, or answers byte by byte: no call waits for ever, and health says so."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from common.bucket import s3_clients
from common.bucket.s3 import S3Bucket
from common.bucket.s3_clients import S3Location
from common.bucket.s3_time import DEADLINES
from common.errors import BucketUnavailable

REQUEST_S = 0.5
AT_MOST_S = 30.0
HEAD = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nLast-Modified: Mon, 30 Nov 2026 12:00:00 GMT\r\nContent-Length: %d\r\n\r\n'
ANSWERS = {"nothing": b"", "a dripping head": HEAD % 5, "a dripping body": HEAD % 1_000}


class SlowStore:
    """Accepts every connection, sends `at_once`, and of `slowly` a byte every 50 ms."""

    def __init__(self, at_once: bytes, slowly: bytes) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._answer = at_once, slowly
        self._stopping = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        at_once, slowly = self._answer
        with suppress(OSError), client:
            client.sendall(at_once)
            for byte in slowly:
                if self._stopping.wait(0.05):
                    return
                client.sendall(bytes([byte]))
            self._stopping.wait()


@pytest.fixture(params=ANSWERS)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowStore]:
    monkeypatch.setattr(DEADLINES, "request_s", REQUEST_S)
    monkeypatch.setattr(s3_clients, "ATTEMPTS", 1)
    answer = ANSWERS[request.param]
    body = request.param == "a dripping body"
    store = SlowStore(answer if body else b"", b"x" * 1_000 if body else answer * 100)
    yield store
    store.stop()


def test_a_store_that_is_not_there_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    bucket = S3Bucket(S3Location(f"http://127.0.0.1:{port}", "eu-central-1", "access", "secret", "bucket"))
    with pytest.raises(BucketUnavailable, match="Could not connect"):
        bucket.get("key")


@pytest.mark.parametrize("operation", ["get", "fetch", "put", "put_if", "delete", "list"])
def test_no_operation_waits_for_ever(store: SlowStore, operation: str, tmp_path: Path) -> None:
    bucket = S3Bucket(S3Location(store.endpoint, "eu-central-1", "access", "secret", "bucket"))
    works: dict[str, Callable[[], object]] = {
        "get": lambda: bucket.get("key"),
        "fetch": lambda: bucket.fetch("key", tmp_path / "file"),
        "put": lambda: bucket.put("key", b"x" * 10),
        "put_if": lambda: bucket.put_if("key", b"x" * 10, None),
        "delete": lambda: bucket.delete("key"),
        "list": lambda: list(bucket.list("key")),
    }
    ended: list[BaseException | None] = []

    def call() -> None:
        try:
            works[operation]()
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=call, daemon=True)
    began = time.monotonic()
    thread.start()
    thread.join(AT_MOST_S)
    assert ended, f"{operation} has not ended after {time.monotonic() - began:.0f} s"
    # A HEAD's answer has no body, and a PUT's needs none: what came of it may have been enough.
    assert ended[0] is None or isinstance(ended[0], BucketUnavailable)
