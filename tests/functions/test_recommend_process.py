"""The recommend function as a process of its own, started as template.yaml says, over a real socket."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from common.edges.wiring import make_context
from infra.local.children import Children
from infra.local.launch import launch_here
from infra.local.manifest import read_manifest
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST, free_ports
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import shop_environment, shop_layer, token

START_S = 60.0


class Process(NamedTuple):
    url: str
    pid: int
    """Of the process that watches over the worker."""

    def mapped(self) -> str:
        """The files that it has mapped."""
        [worker] = psutil.Process(self.pid).children()
        return Path(f"/proc/{worker.pid}/maps").read_text()


@pytest.fixture(scope="module")
def process(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    directory = tmp_path_factory.mktemp("shop")
    environment = shop_environment(object_store, TEST_BUCKET, directory)
    context = make_context(environment)
    publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], directory)
    port = str(free_ports()["recommend"])
    own = {"PATH": os.environ["PATH"], "HOME": str(directory), "HOST": HOST, "PORT": port}
    program = launch_here(read_manifest().function("recommend").container, own | environment)
    children = Children(directory / "logs")
    child = children.start("recommend", program.command, program.env, program.cwd)
    try:
        yield Process(_ready(f"http://{HOST}:{port}", children.log("recommend")), child.pid)
    finally:
        children.stop()


def _ready(url: str, log: Path) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            get(f"{url}/healthz")
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return url
    raise AssertionError(log.read_text())


def get(url: str, headers: dict[str, str] | None = None) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=START_S) as answer:
        return json.load(answer)


def test_answers_with_the_fast_loop_and_without_duckdb_until_a_filter_comes(process: Process) -> None:
    answer = get(f"{process.url}/v1/recommendations?n=5", token())
    assert {item["rung"] for item in answer["items"]} == {"personal"}
    mapped = process.mapped()
    assert "uvloop" in mapped
    assert "httptools" in mapped
    assert "duckdb" not in mapped
    filtered = get(f"{process.url}/v1/recommendations?n=5&category=c1", token())
    assert len(filtered["items"]) == 5
    assert "duckdb" in process.mapped()


def test_its_index_is_mapped_and_not_copied(process: Process) -> None:
    get(f"{process.url}/v1/popular")
    assert "/cache/" in process.mapped()


def test_it_says_nothing_of_what_serves_it(process: Process) -> None:
    with urllib.request.urlopen(f"{process.url}/healthz", timeout=START_S) as answer:
        assert "server" not in answer.headers
