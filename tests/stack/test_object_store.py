from __future__ import annotations

import json
import queue
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest

from infra.local.calls import StartError
from infra.local.object_store import HOST, ObjectStore, Webhook
from tests.conftest import s3_bucket

WAIT_S = 20


def test_everything_listens_on_the_loopback_interface_only(object_store: ObjectStore) -> None:
    listening = [item for item in psutil.Process(object_store.pid).net_connections("tcp") if item.status == "LISTEN"]
    assert {item.laddr.ip for item in listening} == {HOST}


def test_an_unsigned_request_is_refused(object_store: ObjectStore) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{object_store.endpoint}/recsys-tests/key", timeout=WAIT_S)
    assert caught.value.code == 403
    caught.value.close()


def test_a_taken_port_is_said_in_one_line_and_nothing_stays(tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        store = ObjectStore(tmp_path / "store", port)
        with pytest.raises(StartError, match=f"^port {port} .* taken[^\n]*$"):
            store.start()
    assert store.pid == 0


@pytest.fixture
def receiver() -> Iterator[tuple[str, queue.Queue[tuple[str, str, str]]]]:
    """An HTTP server's URL, and what it was sent as (authorization, event type, key)."""
    received: queue.Queue[tuple[str, str, str]] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            received.put((self.headers["Authorization"], body["event_type"], body["key"]))

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test output clean."""

    server = HTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://{HOST}:{server.server_address[1]}/", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow(lane="stack")
def test_a_directory_keeps_its_objects_and_keys_and_the_webhook_tells_of_new_ones(
    tmp_path: Path, receiver: tuple[str, queue.Queue[tuple[str, str, str]]]
) -> None:
    url, received = receiver
    webhook = Webhook(url, "the-token", ("/buckets/shop-data/incoming/",))
    with ObjectStore(tmp_path / "store", webhook=webhook) as store:
        first_keys = store.access_key, store.secret_key
        bucket = s3_bucket(store, "shop-data")
        bucket.create()
        bucket.put("elsewhere/a.csv", b"not announced")
        bucket.put("incoming/a b+c.csv", b"first")
        new = received.get(timeout=WAIT_S)
        bucket.put("incoming/a b+c.csv", b"second")
        overwritten = received.get(timeout=WAIT_S)
    key = "/buckets/shop-data/incoming/a b+c.csv"
    assert [new, overwritten] == [("Bearer the-token", kind, key) for kind in ("create", "update")]
    with ObjectStore(tmp_path / "store") as store:
        assert (store.access_key, store.secret_key) == first_keys
        blob = s3_bucket(store, "shop-data").get("incoming/a b+c.csv")
    assert blob is not None
    assert blob.data == b"second"
    assert (tmp_path / "store" / "s3.json").stat().st_mode & 0o077 == 0


def test_what_was_temporary_is_removed_and_only_its_own_process_ends(object_store: ObjectStore) -> None:
    store = ObjectStore().start()
    directory, process = Path(psutil.Process(store.pid).cwd()), psutil.Process(store.pid)
    store.stop()
    assert not process.is_running()
    assert not directory.exists()
    assert not [path for port in store.ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]
    assert psutil.Process(object_store.pid).is_running()
    store.stop()
