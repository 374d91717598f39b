"""Shops too small for any statistics: training publishes something or says why not, and recommend answers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from common.config import Purchased
from common.errors import NotReady
from common.schemas.data import EVENT_TYPES, NO_USER, EventType, Interactions
from common.schemas.documents import RunState
from common.usecases.ingest.ingest import drain
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.train.train import TrainOptions, train
from tests.memory import memory_context
from tests.shops import TINY

REFUSED = {"all_returned": "nothing is popular", "no_events": "the store has no events: upload some to"}
"""Why nothing is published."""


@pytest.mark.slow(lane="train")
@pytest.mark.parametrize("name", TINY)
def test_training_ends_and_recommend_answers(name: str, tmp_path: Path) -> None:
    """With every family, and a search among them."""
    shop = memory_context(tmp_path, tune_trials=1, train_budget_s=60)
    take_in(shop, TINY[name])
    run = train(shop, TrainOptions())
    service = RecommendService(shop)
    service.watch.refresh()
    if name in REFUSED:
        assert (run.state, run.error is not None) == (RunState.REFUSED, True)
        assert REFUSED[name] in (run.error or {})["message"]
        with pytest.raises(NotReady, match="nothing is published yet"):
            service.recommend(Query(n=10))
        return
    assert run.state is RunState.DONE, run.error
    items = set(TINY[name].item_ids)
    for query in queries(TINY[name]):
        shown = [item["item_id"] for item in json.loads(service.recommend(query).body)["items"]]
        hidden = {item_id for item_id, _ in query.session}
        assert len(shown) == len(set(shown)) <= 10
        assert set(shown) <= items - hidden
        if query.purchased is not Purchased.HIDE:
            assert len(shown) == min(10, len(items - hidden))


def take_in(shop: Context, data: Interactions) -> None:
    """Person `code` is the user `u<code>`."""
    if not len(data):
        return
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(("user_id", "item_id", "ts", "qty", "event_type", "consent"))
    for user, item, ts, kind in zip(data.users, data.items, data.ts, data.event_types, strict=True):
        writer.writerow((f"u{user}", data.item_ids[item], ts, 1, EVENT_TYPES[kind].value, user != NO_USER))
    shop.bucket.put(f"{shop.keys.incoming_events}tiny.csv", lines.getvalue().encode())
    [record] = drain(shop)
    assert record.state is RunState.DONE, record


def queries(data: Interactions) -> list[Query]:
    """Somebody known with each choice about purchases, somebody new, and a basket."""
    known = [
        Query(n=10, user_id="u0", purchased=purchased) for purchased in Purchased if purchased is not Purchased.AUTO
    ]
    return [*known, Query(n=10), Query(n=10, session=((data.item_ids[0], EventType.CART),))]
