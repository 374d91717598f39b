"""The router of bucket events on one machine, in place of the bucket's notification rules.

SeaweedFS has no notification rules of S3, but it posts every change of a file to one address. The router accepts posts
with its bearer token, answers at once, and passes the unchanged body to every function whose rule matches the key. It
does not remove duplicates, because the functions accept an event twice.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local.delivery import Delivery, Event
from infra.local.ports import HOST

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
"""Enough for a file of 4 GB, whose webhook lists its chunks in about 400 KB."""

POLL_S = 0.05
"""Seconds between the server's checks for its stop."""


@dataclass(frozen=True)
class Rule:
    """A rule: objects whose key starts with one of `prefixes` call the function of `delivery`."""

    prefixes: tuple[str, ...]
    delivery: Delivery


class Router:
    """The router, which listens on `port` of the loopback interface from `start` to `stop`."""

    def __init__(self, *, port: int, token: str, bucket: str, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._root = f"/buckets/{bucket}/"
        self._server = ThreadingHTTPServer((HOST, port), _handler(token, self.route))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="router", daemon=True)

    def start(self) -> None:
        for rule in self._rules:
            rule.delivery.start()
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        for rule in self._rules:
            rule.delivery.stop()

    def drain(self) -> None:
        """Calls every function without an object, so that each takes in all that waits."""
        for rule in self._rules:
            rule.delivery.add(Event("all that waits", b"{}", {"Content-Type": "application/json"}))

    def route(self, body: bytes) -> None:
        """Passes a webhook to the functions whose rules match. Raises `ValueError` if `body` is no webhook."""
        notice = json.loads(body)
        key = _changed_key(notice, self._root)
        if key is None:
            return
        for rule in self._rules:
            if key.startswith(rule.prefixes):
                rule.delivery.add(Event(key, body, {"Content-Type": "application/json"}))


def _changed_key(notice: Any, root: str) -> str | None:
    """The key of the written object; None for deletions, directories and files outside the bucket."""
    match notice:
        case {"key": str(path), "message": {"new_entry": dict(entry)}}:
            inside = path.startswith(root) and not entry.get("is_directory")
            return path.removeprefix(root) if inside else None
        case {"key": str(), "message": dict(message)} if "new_entry" not in message:
            return None
        case _:
            raise ValueError("not a notice of the filer")


def _handler(token: str, route: Callable[[bytes], None]) -> type[BaseHTTPRequestHandler]:
    expected = f"Bearer {token}".encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            self._answer(self._accept())

        def _accept(self) -> HTTPStatus:
            size = self.headers.get("Content-Length", "")
            if not size.isdecimal() or int(size) > MAX_BODY_BYTES:
                self.close_connection = True
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            body = self.rfile.read(int(size))
            if not hmac.compare_digest(self.headers.get("Authorization", "").encode(), expected):
                return HTTPStatus.UNAUTHORIZED
            try:
                route(body)
            except ValueError as error:
                log.error("refused a webhook: %s", error)
                return HTTPStatus.BAD_REQUEST
            return HTTPStatus.OK

        def _answer(self, status: HTTPStatus) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Logs nothing: `delivery` logs the deliveries."""

    return Handler
