"""Going back to an earlier model, and what is said where that cannot be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import CorruptError, NotFound, NotReady, RefusedError
from common.schemas.documents import RunState
from common.usecases.publish.versions import KEPT_VERSIONS
from common.usecases.shared.context import Context, utc_now
from common.usecases.shared.run_watch import recent_runs
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import Event
from tests.stored import Item, add_batch, fit, publish, read_served, rollback, served_document

EVENTS = [Event(user, item, day) for day, (user, item) in enumerate(zip("abcabcab", "xyzyzxxz", strict=True))]


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    """A shop whose every look at the clock is a minute after the last."""
    moments = (utc_now() + timedelta(minutes=count) for count in range(10_000))
    ctx = replace(memory_context(tmp_path), now=lambda: next(moments))
    add_batch(ctx, EVENTS, [Item(item) for item in "xyz"])
    return ctx


def version(ctx: Context) -> str:
    return served_document(ctx).bundle.model.version


def test_back_and_back_and_forth(shop: Context) -> None:
    artifact = fit(shop)
    bundles = [publish(shop, *artifact) for _ in range(3)]
    versions = [bundle.model.version for bundle in bundles]
    rollback(shop)
    assert version(shop) == versions[1]
    rollback(shop)
    assert version(shop) == versions[0]
    rollback(shop, to=bundles[2].bundle_id)
    assert version(shop) == versions[2]
    assert len({ref.bundle_id for ref in served_document(shop).history}) == 2


def test_an_update_does_not_push_a_model_out_of_the_history(shop: Context) -> None:
    artifact = fit(shop)
    publish(shop, *artifact)
    publish(shop, *artifact)
    for day in range(10, 13):
        add_batch(shop, [Event("a", "x", day)])
        update(shop)
    assert [ref.created_by for ref in served_document(shop).history] == ["train"]
    rollback(shop)
    assert read_served(shop).people.keys() >= {bytes(shop.shop.pseudonymizer.user_key("a"))}


def test_the_history_is_bounded(shop: Context) -> None:
    artifact = fit(shop)
    for _ in range(KEPT_VERSIONS + 2):
        publish(shop, *artifact)
    assert len(served_document(shop).history) == KEPT_VERSIONS


def test_nothing_is_published(shop: Context) -> None:
    with pytest.raises(NotReady, match="nothing to go back to"):
        rollback(shop)
    [run] = [run for run in recent_runs(shop, 10) if run.function == "rollback"]
    assert run.state is RunState.FAILED


def test_there_is_no_earlier_model(shop: Context) -> None:
    publish(shop, *fit(shop))
    before = served_document(shop)
    with pytest.raises(RefusedError, match="no model that was trained before"):
        rollback(shop)
    assert served_document(shop) == before


def test_a_bundle_that_the_history_does_not_list(shop: Context) -> None:
    artifact = fit(shop)
    first = publish(shop, *artifact)
    publish(shop, *artifact)
    with pytest.raises(NotFound, match=first.bundle_id):
        rollback(shop, to="20200101T000000Z-0000000000000000")


def test_files_that_are_gone(shop: Context) -> None:
    artifact = fit(shop)
    first = publish(shop, *artifact)
    publish(shop, *artifact)
    before = served_document(shop)
    gone = next(iter(first.layers[0].files.values())).key
    shop.bucket.delete(gone)
    with pytest.raises(RefusedError, match=gone):
        rollback(shop)
    assert served_document(shop) == before


@pytest.mark.parametrize("damage", [None, b"{}", b"\x00"])
def test_a_manifest_that_is_gone_or_damaged(shop: Context, damage: bytes | None) -> None:
    artifact = fit(shop)
    publish(shop, *artifact)
    publish(shop, *artifact)
    [ref] = served_document(shop).history
    shop.bucket.delete(ref.key)
    if damage is not None:
        shop.bucket.put(ref.key, damage)
    with pytest.raises(CorruptError, match=ref.key):
        rollback(shop)
