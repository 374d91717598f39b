"""The measured stages of a shop's day, each in its function or job."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from infra.demo.recommend_client import N, RecommendClient
from infra.local.calls import call
from infra.sizing.row import Row, Serving, Stage
from infra.sizing.shop import Uploads, person, write_shop
from infra.sizing.site import Running, Site, SizingError
from infra.sizing.watch import Watch, held

FAMILY: Final = "als"
TRAIN: Final = ("train", "--family", FAMILY, "--no-evaluate")
"""One fit with the family's defaults on all data, without a search, whose time depends on its budget only."""
_PREFIXES: Final = ("store/", "serving/", "models/")
_REQUESTS: Final = 300
_WARM_UP: Final = 20
_READY_S: Final = 300.0


def measure(site: Site, row: Row) -> Iterator[str]:
    """Measures all stages into `row`, and yields each stage's name before it begins. Raises `SizingError`."""
    yield "shop"
    uploads = write_shop(site.directory / "shop", row.size, int(time.time()))
    yield "ingest"
    row.stages["ingest"] = _ingest(site, [uploads.items], uploads.events)
    yield "train"
    cost = site.job("train-nightly", TRAIN)
    row.stages["train"] = Stage(cost, cost.seconds)
    yield "update"
    row.stages |= _update(site, uploads)
    row.bucket, row.bundle_bytes = _bucket(site)
    yield "recommend"
    row.serving = _recommend(site, row.size.people)
    row.disk_bytes = sum(path.stat().st_blocks * 512 for path in site.directory.rglob("*") if path.is_file())


def _ingest(site: Site, items: Sequence[Path], events: Sequence[Path]) -> Stage:
    """Uploads the files and calls ingest once for each, as bucket events do."""
    keys = [site.upload(site.ctx.keys.incoming_items, path) for path in items]
    keys += [site.upload(site.ctx.keys.incoming_events, path) for path in events]
    with site.function("ingest") as function:
        return _calls(function, [partial(site.trigger, function, key) for key in keys])


def _update(site: Site, uploads: Uploads) -> dict[str, Stage]:
    """Takes in new purchases and updates the served bundle."""
    taken_in = _ingest(site, [], [uploads.later])
    with site.function("update") as function:
        return {"ingest of 1,000": taken_in, "update of 1,000": _calls(function, [partial(site.trigger, function)])}


def _calls(function: Running, calls: Sequence[Callable[[], Any]]) -> Stage:
    seconds = []
    with Watch(function.group) as watch:
        for make_call in calls:
            started = time.monotonic()
            make_call()
            seconds.append(time.monotonic() - started)
    return Stage(watch.cost, round(max(seconds), 2))


def _bucket(site: Site) -> tuple[dict[str, int], int]:
    """The bytes by prefix, unreferenced files included, and the bytes of the served bundle's files."""
    prefix = site.ctx.keys.prefix
    sizes = {name: sum(info.size for info in site.ctx.bucket.list(prefix + name)) for name in _PREFIXES}
    document = site.ctx.serving_file.read().document
    if document is None:
        raise SizingError("nothing is served after train")
    files = {ref.key: ref.bytes for layer in document.bundle.layers for ref in layer.files.values()}
    return sizes, sum(files.values())


def _recommend(site: Site, people: int) -> Serving:
    """Starts recommend twice, with an empty and with a filled cache, and measures it."""
    with site.function("recommend") as function:
        start_s = _until_ready(function)
    with site.function("recommend") as function:
        restart_s = _until_ready(function)
        millis = _ask(RecommendClient(function.url, site.environment.secret("RECSYS_TOKEN_KEY"), {}), people)
        memory = held(function.group)
    median, p99 = statistics.median(millis), float(np.quantile(millis, 0.99))
    return Serving(round(start_s, 2), round(restart_s, 2), round(median, 2), round(p99, 2), memory)


def _until_ready(function: Running) -> float:
    """The seconds from the start of the process until it serves a bundle."""
    began = time.monotonic()
    while time.monotonic() < began + _READY_S:
        answer = call("GET", f"{function.url}/readyz", timeout_s=_READY_S)
        if answer is not None and answer.status == 200:
            return function.start_s + time.monotonic() - began
        time.sleep(0.05)
    raise SizingError(f"recommend serves nothing after {_READY_S:.0f} s")


def _ask(client: RecommendClient, people: int) -> list[float]:
    """The milliseconds of each of `_REQUESTS` requests for people of the shop, after a warm-up."""
    millis = []
    for number in np.linspace(0, people - 1, _WARM_UP + _REQUESTS).astype(int).tolist():
        started = time.perf_counter()
        found = client.for_person(person(number))
        millis.append((time.perf_counter() - started) * 1000)
        if len(found) != N or found[0].rung != "personal":
            raise SizingError(f"person {number} got {[item.rung for item in found]}, not {N} personal recommendations")
    return millis[_WARM_UP:]
