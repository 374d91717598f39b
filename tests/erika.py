"""A shop of seventeen people in which Erika is wherever somebody can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from common.testing.memory import MemoryBucket
from common.usecases.ingest.compact import compact
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv, ingest
from tests.stored import fit, open_served, publish

ERIKA = "erika.mustermann"
OTHERS = tuple(f"person {number}" for number in range(16))
GOODS = tuple(f"{kind}-{number}" for kind in ("tea", "shoe") for number in range(6))
ITEMS = csv_of("item_id,category,brand,price,img_url,title", *(f"{item},{item[:3]},b,5,,{item}" for item in GOODS))
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def bought(user: str, items: tuple[str, ...], day: int) -> list[str]:
    return [
        f"{user},{item},{(START + timedelta(days=day, hours=hour)).isoformat()},1" for hour, item in enumerate(items)
    ]


def everybody() -> list[str]:
    halves = GOODS[:6], GOODS[6:]
    return [
        line
        for number, user in enumerate((*OTHERS, ERIKA))
        for line in bought(
            user, tuple(item for place, item in enumerate(halves[number % 2]) if place != number % 5), number
        )
    ]


def sent() -> tuple[list[str], list[str], list[str]]:
    """The events of the shop, upload by upload."""
    return (
        everybody(),
        [*bought(ERIKA, GOODS[6:9], 40), *bought(OTHERS[0], GOODS[:2], 40)],
        [*bought(ERIKA, GOODS[:4], 50), *bought(OTHERS[1], GOODS[:2], 50)],
    )


def filled(ctx: Context) -> Context:
    """A shop with all the places at which somebody can be: two models, a base, deltas, a refused and a kept file."""
    first, more, delta = sent()
    ingest(ctx, "items/items.csv", ITEMS)
    ingest(ctx, "events/first.csv", events_csv(*first))
    compact(ctx)
    publish(ctx, *fit(ctx))
    ingest(ctx, "events/more.csv", events_csv(*more))
    compact(ctx)
    publish(ctx, *fit(ctx))
    ingest(ctx, "events/delta.csv", events_csv(*delta))
    update(ctx)
    ingest(ctx, "events/refused.csv", csv_of("user_id,item_id", f"{ERIKA},tea-1"))
    return ctx


def history_of(ctx: Context, user: str) -> list[int]:
    person = open_served(ctx).find_person(ctx.shop.pseudonymizer.user_key(user))
    return [] if person is None else person.items.tolist()


def filled_bucket() -> MemoryBucket:
    """A copy of that shop's bucket in memory."""
    return _bucket().copy()


@cache
def _bucket() -> MemoryBucket:
    bucket = MemoryBucket()
    with TemporaryDirectory() as directory:
        filled(memory_context(Path(directory), bucket))
    return bucket
