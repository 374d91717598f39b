"""What is lost by following the shop without training: four weeks of a grocer's year brought in by twenty updates.

Training sees all but the last five weeks. Four of those are taken in as twenty uploads, each followed by an update;
then recommend is asked for everybody who bought in the last week, and judged by what they bought. The reference is the
same store after a full training with the same settings. Once everything that was bought counts as a hit, and answers
treat earlier purchases as training decided; once those are hidden, and only what was new to the person counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np

from common.config import Purchased
from common.edges.wiring import make_context
from common.evaluation.metrics import ndcg_at_k
from common.schemas.documents import RunState
from common.usecases.ingest.ingest import drain
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from infra.demo.shop import build_shop
from tests.bench.harness import bench
from tests.bench.row import Row

ANY = "drift: NDCG@10 after 20 updates, of all that was bought"
NEW = "drift: NDCG@10 after 20 updates, of what was new to the person"
ROWS = (ANY, NEW)
_ASKED = {ANY: Purchased.AUTO, NEW: Purchased.HIDE}
_NO_SEARCH = {"RECSYS_TUNE_TRIALS": "0"}
_SLICES = 20
_K = 10


@dataclass(frozen=True)
class _Case:
    """A person, what they bought in the last week, and what before."""

    user_id: str
    bought: frozenset[str]
    owned: frozenset[str]


def rows() -> list[Row]:
    with bench() as made:
        ctx = make_context(made.settings | _NO_SEARCH)
        shop = build_shop(made.directory / "shop", datetime.now(UTC).replace(tzinfo=None), "https://shop.example")
        past, *slices = _cut(shop.events, made.directory)
        ctx.bucket.put(f"{ctx.keys.incoming_items}products.csv", shop.items)
        _take_in(ctx, past)
        _train(ctx, evaluate=True)
        for path in slices:
            _take_in(ctx, path)
            assert update(ctx).state is RunState.DONE
        cases = list(_cases(shop.events))
        updated = _judge(ctx, cases)
        # Without a comparison, what the first training selected and decided is fitted on all data.
        _train(ctx, evaluate=False)
        trained = _judge(ctx, cases)
    return [
        Row(
            name,
            f"{updated[name]:.4f} ({len(cases):,} people)",
            f"{trained[name]:.4f} (a full training on the same data)",
            updated[name] / trained[name],
            ">= 0.97",
        )
        for name in ROWS
    ]


def _cut(events: Path, directory: Path) -> Iterator[Path]:
    """All before the last five weeks, and each slice of the four weeks after that."""
    bounds = ["'-infinity'::TIMESTAMP"]
    bounds += [f"(SELECT max(ts) FROM lines) - {_age_s(number)} * INTERVAL 1 SECOND" for number in range(_SLICES + 1)]
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW lines AS FROM '{events}'")
        for number, (low, high) in enumerate(pairwise(bounds)):
            path = directory / f"events-{number}.parquet"
            connection.execute(f"COPY (FROM lines WHERE ts >= {low} AND ts < {high}) TO '{path}' (FORMAT parquet)")
            yield path


def _age_s(number: int) -> int:
    """How long before the end slice `number` begins."""
    day_s = 86_400
    return 35 * day_s - number * 28 * day_s // _SLICES


def _cases(events: Path) -> Iterator[_Case]:
    """Everybody who bought in the last week, and before."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW lines AS FROM '{events}' WHERE qty > 0")
        rows = connection.execute(
            """WITH marked AS (SELECT user_id, item_id, ts >= (SELECT max(ts) FROM lines) - INTERVAL 7 DAY AS late
                               FROM lines)
               SELECT user_id, list(DISTINCT item_id) FILTER (late), list(DISTINCT item_id) FILTER (NOT late)
               FROM marked GROUP BY user_id HAVING bool_or(late) AND bool_or(NOT late) ORDER BY user_id"""
        ).fetchall()
    for user_id, bought, owned in rows:
        yield _Case(user_id, frozenset(bought), frozenset(owned))


def _take_in(ctx: Context, path: Path) -> None:
    ctx.bucket.put(f"{ctx.keys.incoming_events}{path.name}", path)
    for record in drain(ctx):
        assert record.state is RunState.DONE, record


def _train(ctx: Context, evaluate: bool) -> None:
    record = train(ctx, TrainOptions(families=("als",), evaluate=evaluate))
    assert record.state is RunState.DONE, record


def _judge(ctx: Context, cases: list[_Case]) -> dict[str, float]:
    service = RecommendService(ctx)
    service.start()
    try:
        return {name: _ndcg(service, cases, purchased) for name, purchased in _ASKED.items()}
    finally:
        service.stop()


def _ndcg(service: RecommendService, cases: list[_Case], purchased: Purchased) -> float:
    hits, relevant = [], []
    for case in cases:
        wanted = case.bought if purchased is Purchased.AUTO else case.bought - case.owned
        if wanted:
            body = service.recommend(Query(n=_K, user_id=case.user_id, purchased=purchased)).body
            shown = [item["item_id"] in wanted for item in json.loads(body)["items"]]
            hits.append(shown + [False] * (_K - len(shown)))
            relevant.append(len(wanted))
    return float(ndcg_at_k(np.array(hits), np.array(relevant, np.int32), _K).mean())
