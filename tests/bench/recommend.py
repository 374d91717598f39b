"""Requests a second of recommend against an empty handler in the same runtime, each one worker on one core."""

from __future__ import annotations

import json
import os
import secrets
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

import jwt
import numpy as np

from common.bucket.keys import Keys
from common.config import Shop as Settings
from infra.local.children import Children
from infra.local.object_store import ObjectStore
from infra.local.ports import free_ports
from tests.bench.grocer import ALPHA, Shop, make_shop
from tests.bench.http_load import measure
from tests.bench.row import Row
from tests.bundles import publish
from tests.conftest import s3_bucket

ROWS = (
    "recommend: requests/s, known person, purchased hidden",
    "recommend: requests/s, anonymous basket of 5",
)
_GOALS = (">= 0.50", ">= 0.30")
_ABOUT = "50,000 items × 64, 100,000 people, ten full cards, one core"
_SERVER_CORE, _CLIENT_CORE = "0", 1
_PAGES = 5
_AT_A_TIME = 200
_ROUNDS = 5
_SECONDS = 2.0
_START_S = 60.0
_ROOT = Path(__file__).parents[2]
_FRAMEWORK = Path(sys.executable).with_name("functions-framework")


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as directory, ObjectStore() as store, _client_core():
        bucket = s3_bucket(store, "bench")
        bucket.create()
        environment = _environment(store, Path(directory))
        shop = make_shop(Settings.from_env(environment).pseudonymizer)
        publish(bucket, Keys(), [shop.layer], Path(directory), encoder_params={"alpha": ALPHA})
        questions = [_known_people(shop, environment["RECSYS_TOKEN_KEY"]), _baskets(shop)]
        with _functions(environment, Path(directory)) as (reference, recommend):
            rates = [_rates(reference, recommend, asked) for asked in questions]
    return [_row(name, goal, pair) for name, goal, pair in zip(ROWS, _GOALS, rates, strict=True)]


def _environment(store: ObjectStore, directory: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "WORKERS": "1",
        "RECSYS_BUCKET": "bench",
        "RECSYS_S3_ENDPOINT": store.endpoint,
        "RECSYS_S3_ACCESS_KEY": store.access_key,
        "RECSYS_S3_SECRET_KEY": store.secret_key,
        "RECSYS_PSEUDONYM_KEY": secrets.token_hex(32),
        "RECSYS_TOKEN_KEY": secrets.token_hex(32),
        "RECSYS_CACHE_DIR": str(directory / "cache"),
    }


@contextmanager
def _client_core() -> Iterator[None]:
    """Keeps this process, which generates the load, off the server's core."""
    before = os.sched_getaffinity(0)
    try:
        yield os.sched_setaffinity(0, before - {int(_SERVER_CORE)} or before)
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _functions(environment: Mapping[str, str], directory: Path) -> Iterator[tuple[int, int]]:
    """The ports of the empty function and of recommend, both answering."""
    ports = list(free_ports().values())[:2]
    functions = {"empty": "tests/bench/empty_function.py", "recommend": "functions/recommend/main.py"}
    children = Children(directory / "logs")
    try:
        for port, (target, source) in zip(ports, functions.items(), strict=True):
            command = [str(_FRAMEWORK), "--target", target, "--source", source, "--host", "127.0.0.1"]
            pinned = ["taskset", "-c", _SERVER_CORE, *command, "--port", str(port)]
            children.start(target, pinned, environment, _ROOT)
            _wait(f"http://127.0.0.1:{port}/v1/recommendations", children.log(target))
        yield ports[0], ports[1]
    finally:
        children.stop()


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=_START_S).read()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text()}")


def _known_people(shop: Shop, token_key: str) -> list[bytes]:
    """All people once, each with a token of their own, and some hundred of them in the shop at a time: each asks
    `_PAGES` times with the same token, the others in between."""
    expires = datetime.now(UTC) + timedelta(hours=1)
    order = np.random.default_rng(1).permutation(len(shop.user_ids))
    in_the_shop = order[: len(order) // _AT_A_TIME * _AT_A_TIME].reshape(-1, 1, _AT_A_TIME)
    visits = np.repeat(in_the_shop, _PAGES, axis=1)
    tokens = [jwt.encode({"sub": user_id, "exp": expires}, token_key, "HS256") for user_id in shop.user_ids]
    target = "/v1/recommendations?n=10"
    requests = [_request("GET", target, f"Authorization: Bearer {token}\r\n") for token in tokens]
    return [requests[person] for person in visits.ravel().tolist()]


def _baskets(shop: Shop) -> list[bytes]:
    """Five items of a real basket each; nobody is named."""
    large = [basket for basket in shop.baskets if len(basket) >= 5][:20_000]
    picked = [[shop.item_ids[item] for item in basket[:5].tolist()] for basket in large]
    bodies = (json.dumps({"n": 10, "basket": items}) for items in picked)
    return [
        _request(
            "POST", "/v1/recommendations", f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n", body
        )
        for body in bodies
    ]


def _request(method: str, target: str, headers: str, body: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}".encode()


def _rates(reference: int, recommend: int, requests: Sequence[bytes]) -> tuple[float, float]:
    """Median requests a second of the empty function and of recommend, asked the same in turns."""
    empty, full = [], []
    turns = cycle(requests), cycle(requests)
    for _ in range(_ROUNDS):
        empty.append(measure(reference, turns[0], _SECONDS).requests_per_s)
        load = measure(recommend, turns[1], _SECONDS)
        full.append(load.requests_per_s)
        items = json.loads(load.sample.partition(b"\r\n\r\n")[2])["items"]
        assert len(items) == 10, load.sample
        assert {"title", "price", "img_url", "rank", "rung", "reason"} <= items[0].keys(), load.sample
    return statistics.median(empty), statistics.median(full)


def _row(name: str, goal: str, rates: tuple[float, float]) -> Row:
    reference, value = rates
    return Row(name, f"{value:,.0f}/s ({_ABOUT})", f"{reference:,.0f}/s (empty handler)", value / reference, goal)
