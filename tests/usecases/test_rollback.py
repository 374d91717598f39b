"""Going back to an earlier model, and what is said where that cannot be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.bucket.commit import Proposal, commit
from common.errors import CorruptError, NotFound, NotReady, RefusedError
from common.schemas.documents import Bundle, RunRecord, RunState
from common.serving.rewrite import KEYS_FILE
from common.usecases.erase.erase import erase
from common.usecases.publish.rollback import RolledBack
from common.usecases.publish.rollback import rollback as rollback_at_once
from common.usecases.publish.versions import KEPT_VERSIONS
from common.usecases.shared.context import Context, utc_now
from common.usecases.shared.run_watch import recent_runs
from common.usecases.update.update import bring_up_to_date, update
from tests.interrupted import Interrupted
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


def rollback_with_notices(ctx: Context) -> RolledBack:
    return rollback_at_once(ctx, bring_up_to_date)


def last_rollback(ctx: Context) -> RunRecord:
    return next(run for run in recent_runs(ctx, 10) if run.function == "rollback")


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
    with pytest.raises(RefusedError, match="no model to go back to that was trained before"):
        rollback(shop)
    assert served_document(shop) == before


def test_a_bundle_that_the_history_does_not_list(shop: Context) -> None:
    artifact = fit(shop)
    first = publish(shop, *artifact)
    publish(shop, *artifact)
    with pytest.raises(NotFound, match=first.bundle_id):
        rollback(shop, to="20200101T000000Z-0000000000000000")


def damage(ctx: Context, bundle: Bundle, content: bytes | None) -> str:
    """Puts `content` in place of the manifest, None takes it away; returns its key."""
    key = ctx.keys.serving_bundle(bundle.bundle_id)
    ctx.bucket.delete(key)
    if content is not None:
        ctx.bucket.put(key, content)
    return key


def lose_a_file(ctx: Context, bundle: Bundle) -> str:
    """Deletes a file that no other version has; returns its key."""
    gone = next(ref.key for name, ref in bundle.layers[0].files.items() if name == KEYS_FILE)
    ctx.bucket.delete(gone)
    return gone


@pytest.mark.parametrize("content", [None, b"{}", b"\x00"])
def test_a_damaged_version_is_passed_over_and_named(shop: Context, content: bytes | None) -> None:
    artifact = fit(shop)
    first, second, _ = [publish(shop, *artifact) for _ in range(3)]
    key = damage(shop, second, content)
    _, notices = rollback_with_notices(shop)
    assert version(shop) == first.model.version
    [notice] = notices
    assert f"bundle {second.bundle_id} was passed over: the manifest {key}" in notice
    assert last_rollback(shop).notices == notices


def test_a_version_without_its_files_is_passed_over_and_named(shop: Context) -> None:
    artifact = fit(shop)
    first, second, _ = [publish(shop, *artifact) for _ in range(3)]
    gone = lose_a_file(shop, second)
    _, [notice] = rollback_with_notices(shop)
    assert version(shop) == first.model.version
    assert second.bundle_id in notice
    assert gone in notice


def test_a_damaged_version_that_is_asked_for_is_refused(shop: Context) -> None:
    artifact = fit(shop)
    first = publish(shop, *artifact)
    publish(shop, *artifact)
    before = served_document(shop)
    key = damage(shop, first, b"{}")
    with pytest.raises(CorruptError, match=key):
        rollback(shop, to=first.bundle_id)
    assert served_document(shop) == before


@pytest.mark.parametrize("is_named", [True, False])
def test_a_version_without_its_files_is_not_served(shop: Context, is_named: bool) -> None:
    artifact = fit(shop)
    first = publish(shop, *artifact)
    publish(shop, *artifact)
    before = served_document(shop)
    gone = lose_a_file(shop, first)
    with pytest.raises(RefusedError, match=gone):
        rollback(shop, to=first.bundle_id if is_named else None)
    assert served_document(shop) == before


def test_where_every_version_is_damaged_the_refusal_and_the_run_say_so(shop: Context) -> None:
    artifact = fit(shop)
    earlier = [publish(shop, *artifact) for _ in range(3)][:2]
    keys = [damage(shop, bundle, b"{}") for bundle in earlier]
    with pytest.raises(RefusedError, match=f"{keys[0]}.*{keys[1]}"):
        rollback(shop)
    run = last_rollback(shop)
    assert run.state is RunState.FAILED
    assert [bundle.bundle_id in notice for bundle, notice in zip(earlier, run.notices, strict=True)] == [True, True]


def test_a_commit_that_is_tried_again_tells_of_a_damaged_version_once(shop: Context) -> None:
    artifact = fit(shop)
    first, second, _ = [publish(shop, *artifact) for _ in range(3)]
    damage(shop, second, b"{}")

    def replace_the_document() -> None:
        commit(shop.serving_file, lambda at: Proposal(at.document.carried()) if at.document else None, now=shop.now)

    bucket = Interrupted(shop.bucket, "put_if", shop.keys.serving_current, replace_the_document)
    _, notices = rollback_with_notices(replace(shop, bucket=bucket))
    assert bucket.happened
    assert version(shop) == first.model.version
    assert len(notices) == len(last_rollback(shop).notices) == 1


def test_what_an_erasure_lists_anew_meanwhile_is_not_taken_for_damaged(shop: Context) -> None:
    """The rollback has read the document, and finds the manifests gone that it listed then."""
    artifact = fit(shop)
    first = publish(shop, *artifact)
    publish(shop, *artifact)

    def erase_and_tidy_up() -> None:
        erase(shop, ["a"])
        for ref in listed:
            shop.bucket.delete(ref.key)

    listed = served_document(shop).history
    bucket = Interrupted(shop.bucket, "get", listed[0].key, erase_and_tidy_up)
    _, notices = rollback_with_notices(replace(shop, bucket=bucket))
    assert bucket.happened
    assert (version(shop), notices) == (first.model.version, ())
