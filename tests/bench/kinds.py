"""Every kind of list from the bundle that a night publishes, against an empty handler in the same runtime.

The shop is the demo's, a grocer's year: taken in and trained by the use cases, with the lists and orders that its night
chooses, in a shorter time. Each kind is asked what its place on a page asks, and nothing twice, so that no answer is
given again. Training runs in this process and its worker; its memory is that of both.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import duckdb
import numpy as np
import psutil

from common.edges.wiring import make_context
from common.schemas.documents import RunState
from common.schemas.kind import Kind
from common.usecases.ingest.ingest import drain
from common.usecases.train.train import TrainOptions, train
from infra.demo.shop import build_shop
from tests.bench.harness import EMPTY, RECOMMEND, Bench, Servers, anonymous_bytes, bench, client_cores
from tests.bench.http_load import Load, measure
from tests.bench.questions import Asking, asked_of_kind
from tests.bench.row import Row

MEMORY = "train: memory of a grocer's night with all kinds"
ROWS = (*(f"recommend: requests/s, kind={kind}" for kind in Kind), MEMORY)
_NIGHT = TrainOptions(families=("als",), budget_s=180)
_GOAL = ">= 0.10"
_MEMORY_GOAL = "<= 2048 MB"
_ROUNDS, _SECONDS = 2, 0.5
_PEOPLE, _BASKETS = 2_400, 4_000
_SAMPLED_EVERY_S = 0.1


def rows() -> list[Row]:
    with bench() as made:
        asking, peak = _published(made)
        with client_cores(), Servers(made.directory / "logs") as servers:
            empty, ours = (servers.function(name, made.environment) for name in (EMPTY, RECOMMEND))
            found = [_of_kind(kind, asking, empty, ours) for kind in Kind]
    told = f"{peak / 1e6:.0f} MB without mapped files"
    return [*found, Row.bound(MEMORY, told, peak / 1e6, _MEMORY_GOAL)]


def _published(made: Bench) -> tuple[Asking, int]:
    """What there is to ask about, and the bytes that the training took."""
    ctx = make_context(made.settings)
    shop = build_shop(made.directory / "shop", datetime.now(UTC).replace(tzinfo=None), "https://shop.example")
    for path, prefix in ((shop.items, ctx.keys.incoming_items), (shop.events, ctx.keys.incoming_events)):
        ctx.bucket.put(f"{prefix}{path.name}", path)
    for record in drain(ctx):
        assert record.state is RunState.DONE, record
    with _peak_bytes() as peak:
        record = train(ctx, _NIGHT)
    assert record.state is RunState.DONE, record
    return _asking(shop.events, made.environment["RECSYS_TOKEN_KEY"]), max(peak)


def _asking(events: Path, token_key: str) -> Asking:
    with duckdb.connect() as connection:
        people = connection.execute(
            f"SELECT user_id FROM '{events}' GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {_PEOPLE}"
        ).fetchall()
        baskets = connection.execute(
            f"SELECT list(item_id ORDER BY item_id)[:5] FROM '{events}' GROUP BY order_id HAVING count(*) >= 5 "
            f"ORDER BY order_id LIMIT {_BASKETS}"
        ).fetchall()
    return Asking([user_id for (user_id,) in people], [items for (items,) in baskets], token_key)


@contextmanager
def _peak_bytes() -> Iterator[list[int]]:
    """The bytes of this process and its children, mapped files apart, beyond what it had before; a sample each."""
    process, samples, ended = psutil.Process(), [0], threading.Event()
    before = anonymous_bytes(process.pid)

    def watch() -> None:
        while not ended.wait(_SAMPLED_EVERY_S):
            samples.append(sum(map(_anonymous, [process, *process.children(recursive=True)])) - before)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield samples
    finally:
        ended.set()
        watching.join()


def _anonymous(process: psutil.Process) -> int:
    try:
        return anonymous_bytes(process.pid)
    except (OSError, StopIteration):
        return 0  # it has ended


def _of_kind(kind: Kind, asking: Asking, empty: int, ours: int) -> Row:
    requests = asked_of_kind(kind, asking)
    loads: Mapping[int, list[Load]] = {empty: [], ours: []}
    turns = {port: cycle(requests) for port in loads}
    for _ in range(_ROUNDS):
        for port, found in loads.items():
            found.append(measure(port, turns[port], _SECONDS))
            assert not found[-1].failures, found[-1].failures[0]
    value, reference = _rate(loads[ours]), _rate(loads[empty])
    return Row(
        f"recommend: requests/s, kind={kind}",
        f"{value:,.0f}/s ({len(requests):,} questions; a grocer's night, one core)",
        f"{reference:,.0f}/s (empty handler)",
        value / reference,
        _GOAL,
    )


def _rate(loads: Sequence[Load]) -> float:
    return float(np.median([load.requests_per_s for load in loads]))
