"""Update's time for the same batch, with a base of ten million events and with one of a hundredth of that.

The use cases run in this process, on a real S3 server; what counts is `update` alone, from reading what is served to
the new version. Both shops have as many items, and as many events a person; each batch is taken in by both, in turns.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from common.edges.wiring import make_context
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.documents import RunState
from common.store.segments.reader import open_store
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from common.usecases.shared.runs import start_run
from common.usecases.train.publish_model import publish_model
from common.usecases.update.update import update
from tests.bench.harness import Bench, bench
from tests.bench.row import Row

LARGE, SMALL = 10_000_000, 100_000
NAME = f"update: 1,000 new events on a base of {LARGE:,}"
ROWS = (NAME,)
_ITEMS, _EVENTS_PER_PERSON = 20_000, 40
_BATCH_SIZE, _BUYERS = 1_000, 500
_BATCHES = 5
_GOAL = "<= 1.5"
# What the vectors say is not looked at, only how many there are.
_MODEL = {"factors": 64, "iterations": 2}


@dataclass(frozen=True)
class _Shop:
    ctx: Context
    directory: Path

    def take_in(self, path: Path) -> None:
        self.ctx.bucket.put(f"{self.ctx.keys.incoming_events}{path.name}", path)
        for record in drain(self.ctx):
            assert record.state is RunState.DONE, record

    def update(self) -> tuple[float, dict[str, float]]:
        """Seconds, and those of its steps."""
        started = time.perf_counter()
        record = update(self.ctx)
        seconds = time.perf_counter() - started
        assert record.state is RunState.DONE, record
        assert record.counts["users"] == _BUYERS, record
        return seconds, record.timings_s


def rows() -> list[Row]:
    with bench() as made:
        large, small = (_shop(made, n_events) for n_events in (LARGE, SMALL))
        times = [_in_turns(large, small, _write_batch(made.directory, number)) for number in range(_BATCHES + 1)]
    # The first batch opens files that every later one finds open or in the cache.
    large_s, small_s = (statistics.median(times_of) for times_of in zip(*times[1:], strict=True))
    return [Row(NAME, f"{large_s:.2f} s", f"{small_s:.2f} s (on {SMALL:,})", large_s / small_s, _GOAL)]


def _in_turns(large: _Shop, small: _Shop, batch: Path) -> tuple[float, float]:
    for shop in (large, small):
        shop.take_in(batch)
    return large.update()[0], small.update()[0]


def _shop(made: Bench, n_events: int) -> _Shop:
    """Taken in, folded, and served by a model of the usual size."""
    directory = made.directory / f"shop-{n_events}"
    directory.mkdir()
    own = {"RECSYS_PREFIX": f"shop-{n_events}/", "RECSYS_CACHE_DIR": str(directory / "cache")}
    shop = _Shop(make_context(made.settings | own), directory)
    shop.take_in(_write_events(directory / "events.parquet", n_events))
    _publish(shop)
    return shop


def _publish(shop: _Shop) -> None:
    ctx = shop.ctx
    document = compact(ctx)
    assert document is not None
    with open_store(document, ctx.path_of, shop.directory) as store:
        data = TrainingData(store.interactions(), None)
    now_s = int(data.interactions.ts[-1])
    artifact = make("als", _MODEL).fit(data, FitOptions(seed=1, threads=ctx.settings.n_threads, now_s=now_s))
    with start_run(ctx, "train") as log:
        publish_model(ctx, artifact, {}, document.seq, log)
        log.finish()


def _write_events(path: Path, n_events: int) -> Path:
    """Two years, in which every person buys as often as every other, and a few items are bought most."""
    return _write(
        path,
        f"""SELECT 'customer-' || floor(random() * {n_events // _EVENTS_PER_PERSON})::BIGINT AS user_id,
                   'sku-' || CASE WHEN i < {_ITEMS} THEN i ELSE floor(random() ** 2 * {_ITEMS})::BIGINT END AS item_id,
                   TIMESTAMP '2024-01-01' + to_microseconds((i * {63_072_000_000_000 / n_events})::BIGINT) AS ts,
                   1 AS qty
            FROM range({n_events}) AS numbers(i)""",
    )


def _write_batch(directory: Path, number: int) -> Path:
    """People whom both shops know, and who all buy twice."""
    return _write(
        directory / f"batch-{number}.parquet",
        f"""SELECT 'customer-' || (i % {_BUYERS}) AS user_id,
                   'sku-' || floor(random() ** 2 * {_ITEMS})::BIGINT AS item_id,
                   TIMESTAMP '2026-02-01' + to_hours({number}) + to_seconds(i) AS ts, 1 AS qty
            FROM range({_BATCH_SIZE}) AS numbers(i)""",
    )


def _write(path: Path, select: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.42)")
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path
