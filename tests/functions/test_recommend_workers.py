"""Four processes of recommend behind one port, as a container with WORKERS=4 runs them, while new versions come."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.edges.wiring import make_context
from common.schemas.documents import Bundle
from infra.local.calls import wait_until_healthy
from infra.local.children import Children
from infra.local.launch import launch_here
from infra.local.manifest import read_manifest
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST, free_ports
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import N, shop_environment, shop_layer, token

pytestmark = pytest.mark.s3

WORKERS = 4
CALLERS = 8
DEADLINE_S = 60.0

Publish = Callable[[int], Bundle]


@dataclass
class Load:
    """Callers that ask without a pause, each time over a new connection, so that every worker is asked."""

    url: str
    answers: list[Any] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Load:
        self._callers = [threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)]
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for caller in self._callers:
            caller.join()

    def _call(self, number: int) -> None:
        """Half of them are a known person, who is ranked for by the vectors of the version."""
        request = urllib.request.Request(f"{self.url}/v1/recommendations?n=10", headers=token() if number % 2 else {})
        while not self._over.is_set():
            try:
                with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                    self.answers.append(json.load(answer))
            except OSError as error:
                self.failures.append(str(error))


@pytest.fixture
def environment(object_store: ObjectStore, tmp_path: Path) -> dict[str, str]:
    return shop_environment(object_store, TEST_BUCKET, tmp_path)


@pytest.fixture
def publishing(environment: dict[str, str], tmp_path: Path) -> Publish:
    """Called with a number, publishes a version whose items all have it as their title."""
    context = make_context(environment)

    def make(number: int) -> Bundle:
        directory = tmp_path / f"layers-{number}"
        directory.mkdir()
        cards = tuple(b'{"item_id":"i%d","title":"version %d"}' % (item, number) for item in range(N))
        layer = replace(shop_layer(context.shop.pseudonymizer, number), cards=cards)
        return publish(context.bucket, context.keys, [layer], directory)

    return make


@pytest.fixture
def server(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Its address, and the process that has the workers under it."""
    port = str(free_ports()["recommend"])
    own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HOST": HOST, "PORT": port, "WORKERS": str(WORKERS)}
    program = launch_here(read_manifest().function("recommend").container, environment | own)
    children = Children(tmp_path / "logs")
    child = children.start("recommend", program.command, program.env, program.cwd)
    url = f"http://{HOST}:{port}"
    try:
        wait_until_healthy("recommend", f"{url}/healthz", child, children.log("recommend"), DEADLINE_S)
        yield url, psutil.Process(child.pid)
    finally:
        children.stop()


def workers_with(parent: psutil.Process, bundle: Bundle) -> int:
    """How many processes have a file of this version mapped."""
    [index] = [ref.sha256 for name, ref in bundle.layers[0].files.items() if name == "item_vectors.npy"]
    maps = (Path(f"/proc/{process.pid}/maps").read_text() for process in parent.children(recursive=True))
    return sum(index in text for text in maps)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.05)


def test_all_workers_move_to_a_new_version_and_no_answer_fails_or_is_mixed(
    server: tuple[str, psutil.Process], publishing: Publish
) -> None:
    url, parent = server
    versions = [publishing(1)]
    with Load(url) as load:
        for number in (2, 3):
            eventually(lambda: workers_with(parent, versions[-1]) == WORKERS)
            versions.append(publishing(number))
        eventually(lambda: workers_with(parent, versions[-1]) == WORKERS)
        eventually(lambda: workers_with(parent, versions[-2]) == 0)
        moved = len(load.answers)
        eventually(lambda: len(load.answers) > moved + 20 * CALLERS)
    assert load.failures == []
    titles = {version.bundle_id: f"version {number}" for number, version in enumerate(versions, 1)}
    shown = {(answer["bundle_id"], item["title"]) for answer in load.answers for item in answer["items"]}
    assert shown == set(titles.items())
    # An answer may have been on its way when the last worker moved.
    assert {answer["bundle_id"] for answer in load.answers[moved + CALLERS :]} == {versions[-1].bundle_id}
    assert {len(answer["items"]) for answer in load.answers} == {10}
