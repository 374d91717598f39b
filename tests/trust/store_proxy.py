"""A proxy before the real S3 server, which spoils answers as stores, networks and gateways do."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOST = "127.0.0.1"
OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'
_OWN = {"connection", "transfer-encoding", "keep-alive", "content-length"}


@dataclass
class Answer:
    """What the server has answered, on its way to the client. `length` is what its header promises."""

    status: int
    headers: dict[str, str]
    body: bytes
    length: int = field(init=False)

    def __post_init__(self) -> None:
        self.length = int(self.headers.get("Content-Length") or len(self.body))


class HangUp(Exception):
    """The connection is closed without an answer."""


Meets = Callable[["Handler"], bool]


@dataclass(frozen=True)
class Fault:
    """`meets` chooses requests. `before` may end one instead of passing it on, `after` may spoil its answer."""

    name: str
    meets: Meets
    before: Callable[[Handler], Answer | None] | None = None
    after: Callable[[Handler, Answer], None] | None = None


class Proxy:
    """Passes all requests on to `upstream`, but for the next `times` ones that meet `fault`."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.met = 0
        self._fault: Fault | None = None
        self._times = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((HOST, 0), type("Bound", (Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def spoil(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._fault, self._times, self.met = fault, times, 0

    def heal(self) -> None:
        with self._lock:
            self._fault = None

    def fault_of(self, request: Handler) -> Fault | None:
        with self._lock:
            if self._fault is None or not self._times or not self._fault.meets(request):
                return None
            self._times -= 1
            self.met += 1
            return self._fault


class Handler(BaseHTTPRequestHandler):
    """One connection of a client; each request opens its own to the server."""

    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def pass_on(self) -> None:
        fault = self.proxy.fault_of(self)
        try:
            answer = fault.before(self) if fault and fault.before else None
            answer = answer or self._answer()
            if fault and fault.after:
                fault.after(self, answer)
            self._send(answer)
        except HangUp:
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = pass_on  # noqa: N815

    def _answer(self) -> Answer:
        upstream = self.proxy.upstream
        connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port, timeout=30)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        # The signature covers the host that the client has named.
        connection.request(self.command, self.path, body, dict(self.headers))
        found = connection.getresponse()
        answer = Answer(found.status, dict(found.getheaders()), found.read())
        connection.close()
        return answer

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        if self.command != "HEAD" and answer.length != len(answer.body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test output clean."""


def _of(*methods: str) -> Meets:
    return lambda request: request.command in methods


def _lists(request: Handler) -> bool:
    return "list-type=2" in request.path


def _gets(request: Handler) -> bool:
    return request.command == "GET" and not _lists(request)


def _is_conditional(request: Handler) -> bool:
    return request.command == "PUT" and bool(request.headers.get("If-Match") or request.headers.get("If-None-Match"))


def _status(status: int, code: str) -> Callable[[Handler], Answer]:
    def answer(request: Handler) -> Answer:
        request.rfile.read(int(request.headers.get("Content-Length", 0)))
        body = b"" if request.command == "HEAD" else b"<Error><Code>%b</Code></Error>" % code.encode()
        return Answer(status, {"Content-Type": "application/xml"}, body)

    return answer


def _hang_up(request: Handler) -> None:
    raise HangUp


def _hang_up_in_the_body(request: Handler) -> None:
    request.rfile.read(int(request.headers.get("Content-Length", 0)) // 2)
    raise HangUp


def _lose(request: Handler, answer: Answer) -> None:
    raise HangUp


def _halve(request: Handler, answer: Answer) -> None:
    answer.body = answer.body[: len(answer.body) // 2]


def _halve_quietly(request: Handler, answer: Answer) -> None:
    _halve(request, answer)
    answer.length = len(answer.body)


def _wait(request: Handler) -> None:
    threading.Event().wait(0.3)


def _rename_etag(request: Handler, answer: Answer) -> None:
    answer.headers = {name: value for name, value in answer.headers.items() if name.lower() != "etag"}
    answer.headers["ETag"] = OTHER_ETAG


def _without(*names: str) -> Callable[[Handler, Answer], None]:
    def strip(request: Handler, answer: Answer) -> None:
        answer.headers = {name: value for name, value in answer.headers.items() if name.lower() not in names}

    return strip


def _cut_list(request: Handler, answer: Answer) -> None:
    """The page ends with its first object, and says neither that there are more nor where."""
    first = re.sub(rb"(?s)(</Contents>).*(</ListBucketResult>)", rb"\1\2", answer.body, count=1)
    answer.body = re.sub(rb"<IsTruncated>false", b"<IsTruncated>true", first)
    answer.length = len(answer.body)


def _is_xml(request: Handler, answer: Answer) -> None:
    answer.body = b"<html><body>gateway<br></body></html>"
    answer.length = len(answer.body)


ANY = _of("GET", "PUT", "HEAD", "DELETE", "POST")
STOPPED = Fault("stopped", ANY, before=_hang_up)
FAULTS = (
    STOPPED,
    Fault("slow", ANY, before=_wait),
    Fault("500", ANY, before=_status(500, "InternalError")),
    Fault("503", ANY, before=_status(503, "SlowDown")),
    Fault("409 to a commit", _is_conditional, before=_status(409, "ConditionalRequestConflict")),
    Fault("412 to a commit", _is_conditional, before=_status(412, "PreconditionFailed")),
    Fault("half of a GET", _gets, after=_halve),
    Fault("half of a PUT", _of("PUT"), before=_hang_up_in_the_body),
    Fault("lost answer of a PUT", _of("PUT"), after=_lose),
    Fault("lost answer of a commit", _is_conditional, after=_lose),
    Fault("lost answer of a DELETE", _of("DELETE"), after=_lose),
    Fault("half of a list", _lists, after=_halve),
    Fault("half of a list that looks whole", _lists, after=_halve_quietly),
    Fault("list that ends early", _lists, after=_cut_list),
    Fault("list that is a page of a gateway", _lists, after=_is_xml),
    Fault("wrong ETag of a PUT", _of("PUT"), after=_rename_etag),
    Fault("wrong ETag of a GET", lambda request: _gets(request) or request.command == "HEAD", after=_rename_etag),
    Fault("no ETag", _of("GET", "HEAD", "PUT"), after=_without("etag")),
    Fault("no time", _of("GET", "HEAD"), after=_without("last-modified")),
)
