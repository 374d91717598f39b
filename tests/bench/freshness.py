"""How soon an upload shows in answers, on the local stack as `make demo` starts it: nobody calls ingest or update.

The shop is the demo's, a grocer's year. Time runs from before the upload to the first answer that shows it. A first
batch, at which the functions open what they work on, does not count.
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from common.edges.wiring import make_context
from common.schemas.documents import RunState
from common.usecases.ingest.upload import UploadKind, upload
from common.usecases.shared.context import Context
from common.usecases.shared.run_watch import follow, of_upload, recent_runs
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import ITEM_COLUMNS, build_shop
from infra.local.calls import call
from infra.local.ports import free_ports
from infra.local.stack import Stack
from tests.bench.row import Row

EVENTS = "freshness: 1,000 new events to visible in answers, p95 of 20"
ITEM = "freshness: a new item to recommended, longest of 5"
ROWS = (EVENTS, ITEM)
_BATCHES, _BATCH_SIZE = 20, 1_000
_ITEMS = 5
_POLL_S = 0.02
_DEADLINE_S = 60.0
_PREPARE_S = 600.0
_TRAINING = {"families": ["als"], "evaluate": False}


@dataclass(frozen=True)
class _Live:
    """The running stack, trained; `people` and `item_ids` are those of its past events."""

    ctx: Context
    client: RecommendClient
    directory: Path
    people: Sequence[str]
    item_ids: Sequence[str]


def rows() -> list[Row]:
    with _live() as live:
        _, *events = [_events_visible(live, number) for number in range(_BATCHES + 1)]
        steps = _where_time_goes(live)
        items = [_item_recommended(live, number) for number in range(_ITEMS)]
    p95 = float(np.quantile(events, 0.95))
    median = float(np.median(events))
    told = f"{p95:.2f} s (median {median:.2f}, of which {steps})"
    return [
        Row.bound(EVENTS, told, p95, "<= 2.0 s"),
        Row.bound(ITEM, f"{max(items):.2f} s (median {np.median(items):.2f})", max(items), "<= 4.0 s"),
    ]


@contextmanager
def _live() -> Iterator[_Live]:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Stack(directory, ports=free_ports()) as stack:
            shop = build_shop(directory / "shop", datetime.now(UTC).replace(tzinfo=None), "https://shop.example")
            ctx = make_context(stack.environment.of_operator())
            _take_in(ctx, shop.items, UploadKind.ITEMS)
            _take_in(ctx, shop.events, UploadKind.EVENTS)
            _train(stack)
            client = RecommendClient(stack.url("recommend"), stack.environment.secret("RECSYS_TOKEN_KEY"), {})
            _until(lambda: len(client.for_nobody()) > 0)
            yield _Live(ctx, client, directory, _distinct(shop.events, "user_id"), _distinct(shop.events, "item_id"))


def _take_in(ctx: Context, path: Path, kind: UploadKind) -> None:
    since = ctx.now()
    run = list(follow(ctx, of_upload(upload(ctx, path, kind)), since=since, timeout_s=_PREPARE_S))[-1]
    assert run.state is RunState.DONE, run


def _train(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.environment.secret('RECSYS_TRIGGER_TOKEN')}"}
    body = json.dumps(_TRAINING).encode()
    answer = call("POST", stack.url("train"), body=body, headers=headers, timeout_s=_PREPARE_S)
    assert answer is not None, "train gave no answer"
    assert answer.status == 200, answer.body


def _distinct(events: Path, column: str) -> list[str]:
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT DISTINCT {column} FROM '{events}' ORDER BY 1").fetchall()
    return [value for (value,) in rows]


def _events_visible(live: _Live, number: int) -> float:
    """Somebody buys what they are shown first; it is visible once they are shown it no more."""
    person = live.people[number]
    wanted = _shown(live, person)[0]
    path = _write_batch(live, number, person, wanted)
    started = time.perf_counter()
    upload(live.ctx, path, UploadKind.EVENTS)
    _until(lambda: wanted not in (_shown(live, person) or [wanted]))
    return time.perf_counter() - started


def _shown(live: _Live, person: str) -> list[str]:
    return [item.item_id for item in live.client.for_person(person)]


def _write_batch(live: _Live, number: int, person: str, item_id: str) -> Path:
    """A hundred households' baskets of the last hour, and the one that is looked for."""
    rng = np.random.default_rng(number)
    households = rng.choice(len(live.people), 100, replace=False)
    people = [live.people[row] for row in rng.choice(households, _BATCH_SIZE - 1).tolist()]
    items = [live.item_ids[row] for row in rng.integers(0, len(live.item_ids), _BATCH_SIZE - 1).tolist()]
    now = datetime.now(UTC)
    path = live.directory / f"batch-{number}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("user_id", "item_id", "ts", "qty"))
        for place, (user, item) in enumerate(zip([*people, person], [*items, item_id], strict=True)):
            writer.writerow((user, item, (now - timedelta(seconds=place)).isoformat(), 1))
    return path


def _where_time_goes(live: _Live) -> str:
    """The medians of what the latest runs themselves took."""
    runs = recent_runs(live.ctx, 2 * _BATCHES)
    seconds = {
        function: np.median([sum(run.timings_s.values()) for run in runs if run.function == function])
        for function in ("ingest", "update")
    }
    return ", ".join(f"{function} {taken:.2f}" for function, taken in seconds.items())


def _item_recommended(live: _Live, number: int) -> float:
    """A product of a brand that is new as well: a request for the brand is the first that can show it."""
    item_id = brand = f"new-{number}"
    path = live.directory / f"{item_id}.csv"
    blank = dict.fromkeys(ITEM_COLUMNS, "")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ITEM_COLUMNS)
        writer.writeheader()
        writer.writerow(blank | {"item_id": item_id, "category": "Cheese", "brand": brand, "price": "2.50"})
    started = time.perf_counter()
    upload(live.ctx, path, UploadKind.ITEMS)
    _until(lambda: item_id in [item.item_id for item in live.client.for_person(live.people[0], brand=brand)])
    return time.perf_counter() - started


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not become visible"
        time.sleep(_POLL_S)
