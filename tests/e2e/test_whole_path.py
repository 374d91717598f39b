"""From an upload to a changed recommendation, over real sockets, by bucket events alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.edges.wiring import make_context
from common.errors import SettingError
from common.schemas.documents import RunState
from common.usecases.ingest.upload import UploadKind, upload
from common.usecases.operate.status import status
from infra.demo.recommend_client import N
from infra.local.calls import call
from tests import small_shop
from tests.whole import Filled, Whole, until

pytestmark = pytest.mark.s3


def test_uploads_are_taken_in_by_the_bucket_event(filled: Filled) -> None:
    assert [run.state for run in filled.ingests] == [RunState.DONE, RunState.DONE]
    found = status(filled.whole.ctx)
    assert found.store is not None
    assert found.store.items >= len(small_shop.AISLES) * small_shop.ITEMS_PER_AISLE


def test_a_model_is_trained_and_served(filled: Filled) -> None:
    assert filled.training.state is RunState.DONE
    serving = status(filled.whole.ctx).serving
    assert serving is not None
    assert serving.family == "als"


def test_everybody_gets_a_full_list(filled: Filled) -> None:
    client = filled.whole.client
    basket = [small_shop.item_id("tea", 0), small_shop.item_id("tea", 1)]
    for items in (
        client.for_person(small_shop.person_id(0)),
        client.for_basket(basket),
        client.similar(basket[0]),
        client.for_nobody(),
    ):
        assert len({item.item_id for item in items}) == N


def test_people_get_their_own_aisle(filled: Filled) -> None:
    for person in range(len(small_shop.AISLES)):
        items = filled.whole.client.for_person(small_shop.person_id(person))
        own = [item for item in items if item.category == small_shop.aisle_of(person)]
        assert len(own) > N / 2


def test_a_new_product_shows_without_training(filled: Filled, tmp_path: Path) -> None:
    ctx, client = filled.whole.ctx, filled.whole.client
    new = ("tea-new", "tea", "a new maker", 2.5, "the new tea", "", "")
    upload(ctx, small_shop.write_items(tmp_path / "more.csv", extra=[new]), UploadKind.ITEMS)
    until(lambda: "tea-new" in {item.item_id for item in client.popular(brand="a new maker")})
    assert {item.category for item in client.similar("tea-new")[:5]} == {"tea"}


def test_new_purchases_show_without_training(filled: Filled, tmp_path: Path) -> None:
    ctx, client = filled.whole.ctx, filled.whole.client
    stranger = "somebody who was never here"
    before = client.for_person(stranger)
    now = datetime.now(UTC).isoformat()
    bought = [(stranger, small_shop.item_id("soap", number), now, 1) for number in range(4)]
    upload(ctx, small_shop.write_lines(tmp_path / "new.csv", bought), UploadKind.EVENTS)
    until(lambda: client.for_person(stranger) != before)
    after = client.for_person(stranger, purchased="hide")
    assert after[0].category == "soap"
    assert not {item.item_id for item in after} & {row[1] for row in bought}


def test_a_refused_file_is_reported_and_the_next_one_taken(whole: Whole, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.parquet"
    wrong.write_text("this is no Parquet")
    run = whole.take_in(wrong, UploadKind.EVENTS)
    assert run.state is RunState.REFUSED
    assert run.error is not None
    right = small_shop.write_lines(tmp_path / "right.csv", [("late", "tea-1", datetime.now(UTC).isoformat(), 1)])
    assert whole.take_in(right, UploadKind.EVENTS).state is RunState.DONE


@pytest.mark.parametrize("function", ["ingest", "update", "train"])
def test_functions_refuse_whoever_has_no_token(whole: Whole, function: str) -> None:
    assert whole.trigger(function, token="guess").status == 401


def test_every_function_answers_probes_and_figures(whole: Whole) -> None:
    for function in whole.stack.manifest.functions:
        for path in ("/healthz", "/metrics"):
            answer = call("GET", whole.stack.url(function.name) + path)
            assert answer is not None
            assert answer.status == 200, (function.name, path)


def test_recommend_cannot_write_the_bucket(whole: Whole) -> None:
    function = whole.stack.manifest.function("recommend")
    ctx = make_context(whole.stack.environment.of("recommend", function.container))
    with pytest.raises(SettingError, match="may not do this"):
        ctx.bucket.put("x", b"")
