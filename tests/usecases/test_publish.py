"""Two trainings at once: which of them is served."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.models.artifact import Artifact
from common.usecases.shared.context import Context, utc_now
from common.usecases.shared.runs import RunLog, start_run
from common.usecases.train.publish_model import publish_model
from tests.memory import memory_context
from tests.shops import Event
from tests.store.shop import keys_under
from tests.stored import Item, add_batch, fit, publish, rollback, served_document

EVENTS = [Event(user, item, day) for day, (user, item) in enumerate(zip("abcabcab", "xyzyzxxz", strict=True))]
DATABASE = "sqlite:///never-opened.db"


def shop_of(directory: Path, **settings: object) -> Context:
    """A shop whose every look at the clock is a minute after the last."""
    moments = (utc_now() + timedelta(minutes=count) for count in range(10_000))
    ctx = replace(memory_context(directory, **settings), now=lambda: next(moments))
    add_batch(ctx, EVENTS, [Item(item) for item in "xyz"])
    return ctx


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    return shop_of(tmp_path, optuna_storage=DATABASE)


def end(ctx: Context, log: RunLog, artifact: Artifact, covers_seq: int) -> None:
    with log:
        publish_model(ctx, artifact, {}, covers_seq, log)
        log.finish()


def test_of_two_that_share_a_search_the_faster_is_served_and_the_other_told(shop: Context) -> None:
    artifact = fit(shop)
    faster, slower = start_run(shop, "train"), start_run(shop, "train")
    end(shop, faster, *artifact)
    served = served_document(shop)
    people = keys_under(shop, "serving/people/")
    end(shop, slower, *artifact)
    assert served_document(shop) == served
    assert served.bundle.model.version == faster.record.run_id
    assert [notice for notice in slower.record.notices if faster.record.run_id in notice]
    assert keys_under(shop, "serving/people/") == people
    assert faster.record.notices == ()


def test_of_two_that_share_nothing_the_later_is_served(tmp_path: Path) -> None:
    shop = shop_of(tmp_path)
    artifact = fit(shop)
    logs = [start_run(shop, "train") for _ in range(2)]
    for log in logs:
        end(shop, log, *artifact)
    assert served_document(shop).bundle.model.version == logs[-1].record.run_id
    assert len(served_document(shop).history) == 1


def test_the_next_night_is_served_and_so_is_who_trains_while_somebody_goes_back(shop: Context) -> None:
    artifact = fit(shop)
    nights = [publish(shop, *artifact) for _ in range(2)]
    assert served_document(shop).bundle.model.version == nights[-1].model.version
    log = start_run(shop, "train")
    rollback(shop)
    end(shop, log, *artifact)
    assert served_document(shop).bundle.model.version == log.record.run_id
