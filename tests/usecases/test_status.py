"""What `recsys status` says of a shop."""

from __future__ import annotations

from pathlib import Path

from common.usecases.status import status
from common.usecases.update import update
from tests.memory import memory_context
from tests.shops import Event
from tests.stored import Item, add_batch, fit, publish

ITEMS = [Item(f"tea{number}", "tea", "assam", 5.0) for number in range(4)]
EVENTS = [Event(f"u{person}", f"tea{person % 3}", day=person) for person in range(12)]


def test_items_that_are_described_again_count_once(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    add_batch(ctx, EVENTS, ITEMS)
    publish(ctx, *fit(ctx))
    add_batch(ctx, [], [Item("tea0", "tea", "assam", 6.0), Item("tea9", "tea", "assam", 7.0)])
    update(ctx)
    found = status(ctx)
    assert found.store is not None
    assert found.store.items == len(ITEMS) + 1
    assert found.serving is not None
    assert found.serving.layers == 2
    assert found.serving.items == len(ITEMS) + 1
