"""A bound on the whole time of each request to the object store.

The read timeout of a client bounds the wait for the next bytes only: a store that sends a byte a minute would hold a
function for ever. So one thread watches all requests that are under way and ends the connection of an overdue one. The
request then fails as if the store had closed the connection.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.client import BaseClient

REQUEST_S: Final = 45.0
"""Longer than the read timeout, so that a slow answer that does come is waited for."""

SLOWEST_BYTES_PER_S: Final = 64 << 10
"""What is sent or received takes at most so much longer."""


class Deadlines:
    """The requests under way, each with the time by which it must have ended. The thread starts with the first one."""

    def __init__(self) -> None:
        self.request_s = REQUEST_S
        self._due: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wakes = 0.0

    def begin(self, connection: Any, headers: Mapping[str, Any] | None) -> None:
        size = dict(headers or {}).get("Content-Length", 0)
        with self._changed:
            self._due[connection] = due = time.monotonic() + self.request_s + int(size) / SLOWEST_BYTES_PER_S
            if self._thread is None or not self._thread.is_alive():  # a fork has no threads
                self._thread = threading.Thread(target=self._watch, name="s3-deadlines", daemon=True)
                self._thread.start()
            elif due < self._wakes:
                self._changed.notify()

    def extend(self, connection: Any, n_bytes: int) -> None:
        with self._changed:
            if connection in self._due:
                self._due[connection] += n_bytes / SLOWEST_BYTES_PER_S

    def end(self, connection: Any) -> None:
        with self._changed:
            self._due.pop(connection, None)

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for connection in [connection for connection, due in self._due.items() if due <= now]:
                    del self._due[connection]
                    _cut(connection)
                # Requests that begin meanwhile are due later, mostly: for each of them to wake it would cost them time.
                self._wakes = min(self._due.values(), default=now + self.request_s)
                self._changed.wait(self._wakes - now)


def _cut(connection: Any) -> None:
    """Wakes whoever reads from or writes to the connection. It may be closed already."""
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


DEADLINES: Final = Deadlines()


class _TimedConnection:
    def request(self, method: str, url: str, body: Any = None, headers: Any = None, *args: Any, **kwargs: Any) -> Any:
        DEADLINES.begin(self, headers)
        return super().request(method, url, body, headers, *args, **kwargs)  # type: ignore[misc] # a mixin

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        response = super().getresponse(*args, **kwargs)  # type: ignore[misc] # a mixin
        DEADLINES.extend(self, getattr(response, "length_remaining", None) or 0)
        return response


class _TimedPool:
    def _put_conn(self, connection: Any) -> None:
        if connection is not None:  # None stands for a connection that could not be made
            DEADLINES.end(connection)
        super()._put_conn(connection)  # type: ignore[misc] # a mixin


class _TimedHTTPConnection(_TimedConnection, AWSHTTPConnection):  # type: ignore[misc] # botocore has no types
    pass


class _TimedHTTPSConnection(_TimedConnection, AWSHTTPSConnection):  # type: ignore[misc] # botocore has no types
    pass


class _TimedHTTPPool(_TimedPool, AWSHTTPConnectionPool):  # type: ignore[misc] # botocore has no types
    ConnectionCls = _TimedHTTPConnection


class _TimedHTTPSPool(_TimedPool, AWSHTTPSConnectionPool):  # type: ignore[misc] # botocore has no types
    ConnectionCls = _TimedHTTPSConnection


def bound_requests(client: BaseClient) -> BaseClient:
    """Returns the client with the bound on each of its requests. botocore has no setting for that."""
    manager = client._endpoint.http_session._manager
    manager.pool_classes_by_scheme = {"http": _TimedHTTPPool, "https": _TimedHTTPSPool}
    return client
