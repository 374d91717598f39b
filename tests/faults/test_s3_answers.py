"""What `S3Bucket` makes of answers that a healthy store does not give, and how often it asks."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from common.bucket import s3, s3_clients
from common.bucket.port import CONFLICT
from common.bucket.s3 import S3Bucket
from common.bucket.s3_clients import S3Clients, S3Location
from common.errors import BucketUnavailable, SettingError
from infra.local.object_store import ObjectStore
from tests.conftest import TEST_BUCKET, s3_bucket

KEY = "store/current.json"
BODY = b"0123456789" * 100
TRIES = 2


@dataclass
class Stub:
    """An HTTP server that answers each request with the next of `answers`, the last one again and again.

    An answer is a status and an S3 error code (empty for none), or the name of a misbehaviour: `silence` never
    answers, `hang up` closes the connection after it has read the request, `half` sends half of what it promises.
    """

    server: ThreadingHTTPServer
    answers: list[tuple[int, str] | str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def next_answer(self, method: str, path: str) -> tuple[int, str] | str:
        self.asked.append((method, path))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def requests(self, expected: int) -> list[tuple[str, str]]:
        """What was asked. A client that gave up may be ahead of the server's thread, so `expected` are waited for."""
        deadline = time.monotonic() + 10
        while len(self.asked) < expected and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.asked


class Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.stub.next_answer(self.command, self.path)
        if answer == "silence":
            self.stub.ended.wait()
        elif answer == "half":
            self._send(200, BODY[: len(BODY) // 2], len(BODY))
        elif isinstance(answer, tuple):
            body = f"<Error><Code>{answer[1]}</Code><Message>no</Message></Error>".encode() if answer[1] else b""
            self._send(answer[0], body, len(body))
        self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815

    def _send(self, status: int, body: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        # Said, so that the client's next request does not meet a connection that is just being closed.
        self.send_header("Connection", "close")
        self.send_header("ETag", '"etag"')
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 12:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[Stub]:
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub = Stub(http_server)
    http_server.RequestHandlerClass = type("BoundHandler", (Handler,), {"stub": stub})
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield stub
    http_server.shutdown()
    thread.join()
    http_server.server_close()


@pytest.fixture
def stub(server: Stub) -> Iterator[Stub]:
    server.asked.clear()
    server.ended.clear()
    yield server
    server.ended.set()


@pytest.fixture(scope="module")
def bucket(server: Stub) -> S3Bucket:
    """Impatient: two tries of 0.2 seconds each."""
    bucket = S3Bucket(_location(server))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_clients, "ATTEMPTS", TRIES)
        patch.setattr(s3_clients, "READ_TIMEOUT_S", 0.2)
        _ = bucket._clients.retrying, bucket._clients.once
    return bucket


def _location(server: Stub) -> S3Location:
    endpoint = f"http://127.0.0.1:{server.server.server_address[1]}"
    return S3Location(endpoint, "eu-central-1", "access", "secret", "shop-data")


@pytest.mark.parametrize("answer", [(500, "InternalError"), (503, "SlowDown"), (429, "Busy"), "silence", "hang up"])
def test_a_store_in_trouble_is_unavailable_and_asked_again(
    stub: Stub, bucket: S3Bucket, answer: tuple[int, str] | str
) -> None:
    stub.answers = [answer]
    with pytest.raises(BucketUnavailable) as caught:
        bucket.get(KEY)
    assert caught.value.details["key"] == KEY
    assert stub.requests(TRIES) == [("GET", f"/shop-data/{KEY}")] * TRIES


def test_a_second_try_that_succeeds_is_a_success(stub: Stub, bucket: S3Bucket) -> None:
    stub.answers = [(503, "SlowDown"), (200, "")]
    assert bucket.put(KEY, b"content") == '"etag"'


@pytest.mark.parametrize("answer", [(500, "InternalError"), "silence", "hang up"])
@pytest.mark.parametrize("expect", [None, '"etag"'])
def test_a_conditional_put_is_sent_once(
    stub: Stub, bucket: S3Bucket, answer: tuple[int, str] | str, expect: str | None
) -> None:
    stub.answers = [answer, (200, "")]
    with pytest.raises(BucketUnavailable):
        bucket.put_if(KEY, b"content", expect)
    assert stub.requests(1) == [("PUT", f"/shop-data/{KEY}")]


@pytest.mark.parametrize(
    ("answer", "expect"),
    [
        ((412, "PreconditionFailed"), '"etag"'),
        ((409, "ConditionalRequestConflict"), '"etag"'),
        ((404, "NoSuchKey"), '"etag"'),
        ((412, "PreconditionFailed"), None),
        ((409, "ConditionalRequestConflict"), None),
    ],
)
def test_a_conflict_is_a_value(stub: Stub, bucket: S3Bucket, answer: tuple[int, str], expect: str | None) -> None:
    stub.answers = [answer]
    assert bucket.put_if(KEY, b"content", expect) is CONFLICT


@pytest.mark.parametrize(
    ("answer", "setting"),
    [
        ((403, "InvalidAccessKeyId"), "RECSYS_S3_ACCESS_KEY"),
        ((403, "SignatureDoesNotMatch"), "RECSYS_S3_SECRET_KEY"),
        ((403, "AccessDenied"), "RECSYS_S3_ACCESS_KEY"),
        ((403, "SomethingNew"), "RECSYS_S3_ACCESS_KEY"),
        ((403, "RequestTimeTooSkewed"), "clock"),
        ((404, "NoSuchBucket"), "RECSYS_BUCKET"),
        ((400, "AuthorizationHeaderMalformed"), "RECSYS_S3_REGION"),
        ((400, "SomethingNew"), "refuses"),
    ],
)
@pytest.mark.parametrize("operation", ["get", "put_if"])
def test_a_wrong_setting_is_named(
    stub: Stub, bucket: S3Bucket, answer: tuple[int, str], setting: str, operation: str
) -> None:
    stub.answers = [answer]
    work: dict[str, Callable[[], object]] = {
        "get": lambda: bucket.get(KEY),
        "put_if": lambda: bucket.put_if(KEY, b"content", '"etag"'),
    }
    with pytest.raises(SettingError, match=setting):
        work[operation]()


@pytest.mark.parametrize("operation", ["get", "fetch"])
def test_half_an_object_is_never_handed_out(stub: Stub, bucket: S3Bucket, operation: str, tmp_path: Path) -> None:
    stub.answers = ["half"]
    with pytest.raises(BucketUnavailable):
        _ = bucket.get(KEY) if operation == "get" else bucket.fetch(KEY, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    bucket = S3Bucket(S3Location(f"http://127.0.0.1:{port}", "eu-central-1", "access", "secret", "shop-data"))
    with pytest.raises(BucketUnavailable):
        bucket.get(KEY)


class TestTheRealServer:
    @pytest.mark.parametrize(
        ("changed", "setting"),
        [
            ({"access_key": "unknown"}, "RECSYS_S3_ACCESS_KEY"),
            ({"secret_key": "wrong"}, "RECSYS_S3_SECRET_KEY"),
            ({"bucket": "no-such-bucket"}, "RECSYS_BUCKET"),
        ],
    )
    def test_a_wrong_setting_is_named(self, object_store: ObjectStore, changed: dict[str, str], setting: str) -> None:
        right = {"access_key": object_store.access_key, "secret_key": object_store.secret_key, "bucket": TEST_BUCKET}
        bucket = S3Bucket(S3Location(object_store.endpoint, "eu-central-1", **{**right, **changed}))
        for work in (lambda: bucket.get(KEY), lambda: bucket.put_if(KEY, b"", None), lambda: list(bucket.list(""))):
            with pytest.raises(SettingError, match=setting):
                work()

    def test_creating_a_bucket_twice_is_told(self, object_store: ObjectStore) -> None:
        bucket = s3_bucket(object_store, "created-twice")
        assert bucket.create()
        assert not bucket.create()

    def test_a_large_file_goes_up_in_parts(
        self, bucket_on_server: S3Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(s3, "MULTIPART_BYTES", 6 << 20)
        monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)
        content = bytes(range(256)) * (13 << 12)
        (tmp_path / "up").write_bytes(content)
        etag = bucket_on_server.put("parts", tmp_path / "up")
        info = bucket_on_server.fetch("parts", tmp_path / "down")
        assert info is not None
        assert (info.etag, info.size) == (etag, len(content))
        assert "-3" in etag
        assert (tmp_path / "down").read_bytes() == content


@pytest.fixture
def bucket_on_server(object_store: ObjectStore) -> S3Bucket:
    bucket = s3_bucket(object_store, "large-files")
    bucket.create()
    return bucket


def test_nothing_of_the_ambient_aws_configuration_is_used(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\nregion = us-east-1\n")
    for name, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "foreign",
        "AWS_MAX_ATTEMPTS": "9",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    }.items():
        monkeypatch.setenv(name, value)
    stub.answers = [(200, "")]
    S3Bucket(_location(stub)).put(KEY, b"content")
    assert stub.asked == [("PUT", f"/shop-data/{KEY}")]


def test_no_client_is_made_before_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Clients, "_new_client", lambda *_: pytest.fail("a client was made"))
    S3Bucket(S3Location("http://127.0.0.1:9", "eu-central-1", "access", "secret", "shop-data"))
