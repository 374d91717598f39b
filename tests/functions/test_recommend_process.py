"""The recommend function as a process of its own, started as the README says, over a real socket."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.edges.wiring import make_context
from infra.local.children import Children
from infra.local.object_store import ObjectStore
from infra.local.ports import free_ports
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import shop_environment, shop_layer, token

ROOT = Path(__file__).parents[2]
START_S = 60.0


@pytest.fixture(scope="module")
def url(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("shop")
    environment = shop_environment(object_store, TEST_BUCKET, directory)
    context = make_context(environment)
    publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], directory)
    port = str(free_ports()["recommend"])
    program = str(Path(sys.executable).with_name("functions-framework"))
    command = [program, "--source", "functions/recommend/main.py", "--target", "recommend", "--port", port]
    children = Children(directory / "logs")
    children.start("recommend", command, {"PATH": os.environ["PATH"], "HOME": str(directory), **environment}, ROOT)
    try:
        yield _ready(f"http://127.0.0.1:{port}", children.log("recommend"))
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


def mapped_by(port: str) -> str:
    """The libraries that the processes serving on the port have mapped."""
    found = ""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and f"--port\0{port}" in (process / "cmdline").read_text():
                found += (process / "maps").read_text()
        except OSError:
            continue  # it has ended meanwhile
    return found


def test_answers_with_the_fast_loop_and_without_duckdb_until_a_filter_comes(url: str) -> None:
    port = url.rpartition(":")[2]
    answer = get(f"{url}/v1/recommendations?n=5", token())
    assert {item["rung"] for item in answer["items"]} == {"personal"}
    mapped = mapped_by(port)
    assert "uvloop" in mapped
    assert "httptools" in mapped
    assert "duckdb" not in mapped
    filtered = get(f"{url}/v1/recommendations?n=5&category=c1", token())
    assert len(filtered["items"]) == 5
    assert "duckdb" in mapped_by(port)


def test_its_index_is_mapped_and_not_copied(url: str) -> None:
    get(f"{url}/v1/popular")
    assert "/cache/" in mapped_by(url.rpartition(":")[2])
