"""A new version of the bundle is published while visitors ask: nobody may notice.

Every item of a version carries the version's mark in its id, so an answer that mixes two versions shows it. The new
version's files are in the bucket already; what is timed begins when `serving/current.json` names them, and ends a
second after the last answer from the old version.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Final

import numpy as np
import psutil

from common.bucket.keys import Keys
from common.config import Shop as Settings
from common.ids import new_id
from common.schemas.data import LayerContent
from common.schemas.documents import ServingDocument
from common.usecases.publish.layers.cards import cards_of
from tests.bench.grocer import ALPHA, Shop, make_shop
from tests.bench.harness import RECOMMEND, Bench, Servers, bench, client_cores
from tests.bench.http_load import Load, measure, observe
from tests.bench.questions import known_people
from tests.bench.row import Row
from tests.bundles import NOW, describe, model_info

WORKERS = 4
WRONG = f"swap under load: failed or mixed answers, 1 worker and {WORKERS}"
P99 = "swap under load: p99 while a worker changes over"
REACHED = f"swap under load: workers on the new version, of {WORKERS} behind one port"
ROWS = (WRONG, P99, REACHED)
_OLD, _NEW = "old", "new"
_MARKS: Final = {version: f'"item_id":"{version}-'.encode() for version in (_OLD, _NEW)}
_WARM_UP_S = 6.0
_BEFORE_S, _AFTER_S = 3.0, 12.0
_SETTLED_S = 1.0
_HEAD_BYTES = 1_000


@dataclass
class _Witness:
    """Looks at every answer: `bundles` names the bundle of each version."""

    bundles: Mapping[str, bytes]
    mixed: int = 0
    last_old_s: float = 0.0
    version_of: dict[int, str] = field(default_factory=dict)

    def __call__(self, response: bytes, port: int) -> None:
        version, other = (_NEW, _OLD) if self.bundles[_NEW] in response[:_HEAD_BYTES] else (_OLD, _NEW)
        self.mixed += self.bundles[version] not in response or _MARKS[other] in response
        self.version_of[port] = version
        if version == _OLD:
            self.last_old_s = time.perf_counter()


@dataclass(frozen=True)
class _Swap:
    """What one load met; `workers` are the processes behind the port, by the client's port of each connection."""

    load: Load
    witness: _Witness
    published_s: float
    workers: Mapping[int, int]

    @property
    def wrong(self) -> int:
        return len(self.load.failures) + self.witness.mixed

    @property
    def p99_s(self) -> tuple[float, float]:
        """Before, and until all is settled."""
        settled = self.witness.last_old_s + _SETTLED_S
        return self.load.p99_s(until_s=self.published_s), self.load.p99_s(self.published_s, settled)

    @property
    def reached(self) -> int:
        """Workers all of whose connections ended with the new version."""
        old = {self.workers.get(port) for port, version in self.witness.version_of.items() if version == _OLD}
        return len(set(self.workers.values()) - old)

    @property
    def took_s(self) -> float:
        return self.witness.last_old_s - self.published_s


def rows() -> list[Row]:
    with client_cores(), bench() as made:
        shop = make_shop(Settings.from_env(made.settings).pseudonymizer)
        documents = {version: _document(made, shop, version) for version in (_OLD, _NEW)}
        requests = known_people(shop, made.environment["RECSYS_TOKEN_KEY"])
        one, several = (_swap(made, documents, cycle(requests), workers) for workers in (1, WORKERS))
    before, during = one.p99_s
    answers = len(one.load.ended_s) + len(several.load.ended_s)
    wrong = one.wrong + several.wrong
    told = f"{during * 1000:.1f} ms (swapped {one.took_s:.1f} s after it was published)"
    reached = f"{several.reached} after {several.took_s:.1f} s"
    return [
        Row.bound(WRONG, f"{wrong} of {answers:,}", wrong, "<= 0 answers"),
        Row(P99, told, f"{before * 1000:.1f} ms (before)", during / before, "<= 2.0"),
        Row.bound(REACHED, reached, several.reached, f">= {WORKERS} workers"),
    ]


def _document(made: Bench, shop: Shop, version: str) -> ServingDocument:
    """The version's files are put into the bucket; nothing names them yet."""
    directory = made.directory / version
    directory.mkdir()
    info = model_info(shop.layer.item_vectors.shape[1], encoder_params={"alpha": ALPHA})
    bundle, paths = describe([_marked(shop.layer, version)], info, directory)
    for key, path in paths.items():
        made.bucket.put(key, path)
    commit_id = new_id(NOW)
    return ServingDocument(commit_id=commit_id, commits=(commit_id,), committed_at=NOW, bundle=bundle)


def _marked(layer: LayerContent, version: str) -> LayerContent:
    """Other ids and other vectors, so that every file of weight is another one."""
    ids = tuple(f"{version}-{item_id}" for item_id in layer.catalogue.item_ids)
    catalogue = replace(layer.catalogue, item_ids=ids)
    noise = np.random.default_rng(len(version) + ord(version[0])).normal(1, 0.01, layer.item_vectors.shape)
    vectors = (layer.item_vectors * noise).astype(np.float32)
    return replace(layer, catalogue=catalogue, cards=cards_of(catalogue), item_vectors=vectors)


def _swap(made: Bench, documents: Mapping[str, ServingDocument], requests: Iterator[bytes], workers: int) -> _Swap:
    made.bucket.put(Keys().serving_current, _json(documents[_OLD]))
    environment = made.environment | {"WORKERS": str(workers), "RECSYS_CACHE_DIR": str(made.directory / f"c{workers}")}
    witness = _Witness({version: documents[version].bundle.bundle_id.encode() for version in documents})
    with Servers(made.directory / f"logs-{workers}") as servers:
        port = servers.function(RECOMMEND, environment)
        # Each worker opens the bundle at its own first request.
        measure(port, requests, _WARM_UP_S)
        publisher = _Publisher(made, documents[_NEW], servers.pid(RECOMMEND))
        publisher.start()
        load = observe(port, requests, _BEFORE_S + _AFTER_S, on_answer=witness)
        publisher.join()
    return _Swap(load, witness, publisher.published_s, publisher.workers)


class _Publisher(threading.Thread):
    """Looks which worker serves which connection, and publishes the new version after `_BEFORE_S`."""

    def __init__(self, made: Bench, document: ServingDocument, master: int) -> None:
        super().__init__()
        self._bucket = made.bucket
        self._document = _json(document)
        self._master = psutil.Process(master)
        self.workers: dict[int, int] = {}
        self.published_s = 0.0

    def run(self) -> None:
        time.sleep(_BEFORE_S / 4)
        self.workers = _connections([self._master, *self._master.children()])
        time.sleep(_BEFORE_S)
        self.published_s = time.perf_counter()
        self._bucket.put(Keys().serving_current, self._document)


def _connections(workers: Sequence[psutil.Process]) -> dict[int, int]:
    """The process behind each client's port. One worker needs no master and serves in its place."""
    return {
        connection.raddr.port: worker.pid
        for worker in workers
        for connection in worker.net_connections(kind="tcp")
        if connection.raddr
    }


def _json(document: ServingDocument) -> bytes:
    return document.model_dump_json().encode()
