"""The event router over real sockets: what it takes in, to whom it gives it, and how it insists."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.local.calls import call
from infra.local.delivery import Delivery, RetryPolicy
from infra.local.ports import HOST, free_ports
from infra.local.router import Router, Rule

DEADLINE_S = 10.0
QUICK = RetryPolicy(attempts=4, first_s=0.01, longest_s=0.02)


class Function:
    """A function that answers with the statuses it is given, 200 when they are used up, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.received: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        function = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                function.received.put((self.headers["Authorization"], body))
                self.send_response(function._next_answer())
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server.server_address[1]}"

    def _next_answer(self) -> int:
        try:
            return self.answers.get_nowait()
        except queue.Empty:
            return 200

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def ingest() -> Iterator[Function]:
    function = Function()
    yield function
    function.stop()


@pytest.fixture
def update() -> Iterator[Function]:
    function = Function()
    yield function
    function.stop()


@pytest.fixture
def router_url(ingest: Function, update: Function) -> Iterator[str]:
    port = free_ports()["router"]
    rules = [
        Rule(("shop/incoming/events/", "shop/incoming/items/"), Delivery("ingest", ingest.url, "key", 5, QUICK)),
        Rule(("shop/store/current.json",), Delivery("update", update.url, "key", 5, QUICK)),
    ]
    router = Router(port=port, token="in", bucket="data", rules=rules)
    router.start()
    yield f"http://{HOST}:{port}"
    router.stop()


def notice(key: str, **entry: Any) -> bytes:
    return json.dumps({"key": f"/buckets/data/{key}", "message": {"new_entry": {"name": "x", **entry}}}).encode()


def send(url: str, body: bytes, token: str = "in") -> int:
    answer = call("POST", url, body=body, headers={"Authorization": f"Bearer {token}"})
    assert answer is not None
    return answer.status


def next_body(function: Function) -> bytes:
    authorization, body = function.received.get(timeout=DEADLINE_S)
    assert authorization == "Bearer key"
    return body


def test_each_function_gets_what_its_prefix_matches_unchanged(
    router_url: str, ingest: Function, update: Function
) -> None:
    items, current = notice("shop/incoming/items/a b%20ü.csv"), notice("shop/store/current.json")
    assert send(router_url, items) == 200
    assert send(router_url, current) == 200
    assert next_body(ingest) == items
    assert next_body(update) == current


def test_what_no_rule_matches_goes_nowhere(router_url: str, ingest: Function) -> None:
    for body in (
        notice("shop/quarantine/a.csv"),
        notice("incoming/events/of-another-shop.csv"),
        notice("shop/incoming/events/", is_directory=True),
        json.dumps({"key": "/buckets/data/shop/incoming/events/gone.csv", "message": {"old_entry": {}}}).encode(),
        json.dumps({"key": "/buckets/other/shop/incoming/events/a.csv", "message": {"new_entry": {}}}).encode(),
    ):
        assert send(router_url, body) == 200
    last = notice("shop/incoming/events/last.csv")
    send(router_url, last)
    assert next_body(ingest) == last


def test_a_failing_function_is_called_again_and_order_is_kept(router_url: str, ingest: Function) -> None:
    for status in (503, 500, 429):
        ingest.answers.put(status)
    first, second = notice("shop/incoming/events/1.csv"), notice("shop/incoming/events/2.csv")
    send(router_url, first)
    send(router_url, second)
    assert [next_body(ingest) for _ in range(5)] == [first] * 4 + [second]


def test_what_the_function_will_never_accept_does_not_hold_up_the_rest(router_url: str, ingest: Function) -> None:
    ingest.answers.put(400)
    first, second = notice("shop/incoming/events/1.csv"), notice("shop/incoming/events/2.csv")
    send(router_url, first)
    send(router_url, second)
    assert [next_body(ingest), next_body(ingest)] == [first, second]


def test_retries_are_bounded(router_url: str, ingest: Function) -> None:
    for _ in range(QUICK.attempts):
        ingest.answers.put(500)
    first, second = notice("shop/incoming/events/1.csv"), notice("shop/incoming/events/2.csv")
    send(router_url, first)
    send(router_url, second)
    assert [next_body(ingest) for _ in range(QUICK.attempts + 1)] == [first] * QUICK.attempts + [second]


def test_nothing_comes_in_without_the_token(router_url: str, ingest: Function) -> None:
    assert send(router_url, notice("shop/incoming/events/1.csv"), token="guess") == 401
    assert send(router_url, notice("shop/incoming/events/2.csv")) == 200
    assert next_body(ingest) == notice("shop/incoming/events/2.csv")


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"key": 1}', b'{"key": "a", "message": []}'])
def test_a_malformed_webhook_is_refused(router_url: str, body: bytes) -> None:
    assert send(router_url, body) == 400
