"""A basket of four products of one aisle shows in what its buyer is recommended, however long the history is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from common.schemas.data import DAY_S
from common.schemas.kind import Kind
from common.testing.memory import MemoryBucket
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import NOON, Event
from tests.stored import Item, add_batch, fit, publish

pytestmark = pytest.mark.slow(lane="train")

CARDS, BASKET, LEAST_NEW = 12, 4, 3
AISLES = ("bread", "cheese", "coffee", "fruit", "pasta")
GOODS = {aisle: tuple(f"{aisle}{number}" for number in range(16)) for aisle in AISLES}
HOUSEHOLDS = ("family", "couple", "single")
TODAY = 60


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MemoryBucket]:
    """Each household has bought forty times, each of the others nine times, mostly of three aisles."""
    directory, bucket = tmp_path_factory.mktemp("shop"), MemoryBucket()
    ctx = memory_context(directory, bucket)
    random = np.random.default_rng(4)
    events = []
    for number, person in enumerate((*HOUSEHOLDS, *(f"neighbour{number}" for number in range(30)))):
        for line in range(40 if person in HOUSEHOLDS else 9):
            aisle = AISLES[(number + int(random.integers(0, 3))) % len(AISLES)]
            item = GOODS[aisle][min(int(random.exponential(5)), 15)]
            events.append(Event(person, item, line % (TODAY - 5) + line / 1000))
    add_batch(ctx, events, [Item(item, aisle, "", 2.0) for aisle, items in GOODS.items() for item in items])
    publish(ctx, *fit(ctx))
    return directory, bucket


@pytest.mark.parametrize("person", HOUSEHOLDS)
def test_a_basket_of_one_aisle_changes_three_cards(shop: tuple[Path, MemoryBucket], person: str) -> None:
    directory, bucket = shop
    for aisle in AISLES:
        ctx = memory_context(directory, bucket.copy())
        before = cards(ctx, person)
        add_batch(ctx, [Event(person, item, TODAY, order=7) for item in GOODS[aisle][:BASKET]])
        update(ctx)
        after = cards(ctx, person)
        assert len(set(before) - set(after)) >= LEAST_NEW, (aisle, before, after)
        assert len(after) == CARDS
        assert not {*after} & {*GOODS[aisle][:BASKET]}
        assert cards(ctx, person, days=2) != after


def cards(ctx: Context, person: str, days: int = 0) -> list[str]:
    """What the carousel shows so many days after the order."""
    now = datetime.fromtimestamp(NOON + TODAY * DAY_S, UTC) + timedelta(days=days)
    service = RecommendService(replace(ctx, now=lambda: now))
    service.watch.refresh()
    answer = service.recommend(Query(n=CARDS, kind=Kind.FOR_YOU, user_id=person))
    return [item["item_id"] for item in json.loads(answer.body)["items"]]
