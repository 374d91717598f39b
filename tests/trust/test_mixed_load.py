"""A shop's day in minutes: visitors at three fifths of what recommend can, while uploads come in and versions change.

    MIXED_LOAD_MINUTES=30 .venv/bin/python -m pytest -m 'slow(lane="trust-load")' -n 0

It lasts two minutes, in its lane as long as the lane allows. Every part is the real one.
"""

from __future__ import annotations

import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import jwt
import psutil
import pytest

from common.schemas.documents import RunState
from common.usecases.ingest.upload import UploadKind
from tests import small_shop
from tests.bench.harness import anonymous_bytes, worker_pid
from tests.bench.http_load import measure, observe
from tests.trust.accounts import Account
from tests.whole import Filled, Whole, until

pytestmark = [pytest.mark.s3, pytest.mark.slow(lane="trust-load")]

SET_UP_MINUTES = 5.0
UPLOAD_EVERY_S = 20.0
SHARE = 0.6
CONNECTIONS = 8
FULL_LOAD_S = 5.0
LONG_MINUTES = 10.0
GROWTH = 1.05
"""What memory may have become at the end, after `LONG_MINUTES`: before them caches fill, and layers come until they are
folded into one."""

SAMPLES = 100
SHA256_LETTERS = 64
MORE_FILES = 16
"""Connections to the store, which come and go. What is mapped of a version is counted by itself."""


def minutes() -> float:
    lane = os.environ.get("LANE_MINUTES")
    return float(os.environ.get("MIXED_LOAD_MINUTES", float(lane) - SET_UP_MINUTES if lane else 2.0))


class Uploads(threading.Thread):
    """Takes in purchases of new and of known people every `UPLOAD_EVERY_S`, as a shop does; each becomes a version."""

    def __init__(self, whole: Whole, directory: Path) -> None:
        super().__init__(daemon=True)
        self._whole, self._directory = whole, directory
        self._over = threading.Event()
        self.states: list[RunState] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self.states.append(self._take_in())
            except Exception as error:
                self.errors.append(error)
            self._over.wait(max(0.0, UPLOAD_EVERY_S - (time.monotonic() - began)))

    def stop(self) -> None:
        self._over.set()
        self.join()

    def _take_in(self) -> RunState:
        number = len(self.states)
        path = self._directory / f"events-{number}.csv"
        now = datetime.now(UTC).isoformat()
        rows = [(f"person {number}", small_shop.item_id("tea", place), now, 1) for place in range(5)]
        rows += [(f"newcomer {number}", small_shop.item_id("bread", place), now, 2) for place in range(3)]
        return self._whole.take_in(small_shop.write_lines(path, rows), UploadKind.EVENTS).state


class Watched(threading.Thread):
    """Memory of a worker that is no mapped file, and the versions that it serves, seen `SAMPLES` times."""

    def __init__(self, whole: Whole, pid: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._whole, self._pid, self._every_s = whole, pid, seconds / SAMPLES
        self.seen: list[int] = []
        self.versions: set[str] = set()

    def run(self) -> None:
        for _ in range(SAMPLES):
            time.sleep(self._every_s)
            self.seen.append(anonymous_bytes(self._pid))
            answer = self._whole.client.answer("GET", "/readyz")
            if answer is not None and answer.status == 200:
                self.versions.add(answer.json()["bundle_id"])

    @property
    def growth(self) -> float:
        """From the middle third of the samples to the last: each sees the layers come and go."""
        third = len(self.seen) // 3
        return statistics.median(self.seen[-third:]) / statistics.median(self.seen[third : 2 * third])


def descriptors(worker: psutil.Process) -> tuple[set[str], int]:
    """The names of the cache's files that are mapped or open, and how many other files and sockets are."""
    opened = [Path(os.readlink(link)) for link in Path(f"/proc/{worker.pid}/fd").iterdir() if link.is_symlink()]
    cached = [path for path in opened if len(path.name.removesuffix(" (deleted)")) == SHA256_LETTERS]
    return {path.name.removesuffix(" (deleted)") for path in cached}, len(opened) - len(cached)


def is_on_the_newest(whole: Whole) -> bool:
    answer, document = whole.client.answer("GET", "/readyz"), whole.ctx.serving_file.read().document
    assert document is not None
    return answer is not None and bool(answer.json().get("bundle_id") == document.bundle.bundle_id)


def requests(whole: Whole, lasting: timedelta) -> Iterator[bytes]:
    """Visitors of every kind, in turns: known ones, filters, pages of products, baskets, new ones."""
    key, asked = whole.stack.environment.secret("RECSYS_TOKEN_KEY"), []
    for number in range(small_shop.PEOPLE):
        item = small_shop.item_id(small_shop.aisle_of(number), number % small_shop.ITEMS_PER_AISLE)
        token = jwt.encode({"sub": f"person {number}", "exp": datetime.now(UTC) + lasting}, key, "HS256")
        header = f"Authorization: Bearer {token}\r\n"
        filters = urlencode({"category": small_shop.aisle_of(number), "price_max": 1 + number % 7 / 4})
        body = json.dumps({"basket": [item], "n": 10}).encode()
        asked += [
            _get("recommendations?n=10", header),
            _get(f"recommendations?n=10&{filters}", header),
            _get(f"items/{item}/similar?n=10"),
            _get(f"items/{item}/bought-together?n=10"),
            _get("popular?n=10"),
            b"POST /v1/recommendations HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
        ]
    return cycle(asked)


def _get(path: str, header: str = "") -> bytes:
    return f"GET /v1/{path} HTTP/1.1\r\nHost: shop\r\n{header}\r\n".encode()


def test_a_mixed_load_fails_nobody_and_leaves_nothing(filled: Filled, tmp_path: Path, account: Account) -> None:
    whole, seconds = filled.whole, minutes() * 60
    port = urlsplit(whole.stack.url("recommend")).port
    assert port is not None
    worker = psutil.Process(worker_pid(whole.stack.pids()["recommend"]))
    asked = requests(whole, timedelta(minutes=minutes() + 60))
    most = measure(port, asked, FULL_LOAD_S, CONNECTIONS).requests_per_s
    _, others = descriptors(worker)
    uploads, watched = Uploads(whole, tmp_path), Watched(whole, worker.pid, seconds)
    uploads.start()
    watched.start()
    load = observe(port, asked, seconds, CONNECTIONS, requests_per_s=SHARE * most)
    uploads.stop()
    watched.join()
    account(
        answers=len(load.ended_s),
        failures=len(load.failures),
        uploads=len(uploads.states),
        versions=len(watched.versions),
        ms_p99_under_mixed_load=round(load.p99_s() * 1000),
        percent_of_memory_at_the_end=round(watched.growth * 100),
    )
    assert load.failures == ()
    assert uploads.errors == []
    assert set(uploads.states) == {RunState.DONE}
    assert len(watched.versions) > minutes()
    assert worker.is_running()
    until(lambda: is_on_the_newest(whole))
    mapped, others_now = descriptors(worker)
    document = whole.ctx.serving_file.read().document
    assert document is not None
    served = {file.sha256 for layer in document.bundle.layers for file in layer.files.values()}
    assert mapped - served == set(), "files of a version that is no longer served"
    assert others_now <= others + MORE_FILES
    assert minutes() < LONG_MINUTES or watched.growth <= GROWTH
