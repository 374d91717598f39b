"""From an upload to a changed recommendation, over real sockets, by bucket events alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from common.edges.wiring import make_context
from common.schemas.documents import RunRecord, RunState
from common.usecases.context import Context
from common.usecases.status import status
from common.usecases.upload import UploadKind, upload
from common.usecases.watch import follow, of_upload
from infra.demo.recommend_client import RecommendClient
from infra.local.calls import Answer, call
from infra.local.ports import free_ports
from infra.local.stack import Stack
from tests.e2e import small_shop

DEADLINE_S = 60.0

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), ports=free_ports(), replaced={"RECSYS_REFRESH_S": "0.1"}) as stack:
        yield stack


@pytest.fixture(scope="module")
def ctx(stack: Stack) -> Context:
    return make_context(stack.environment.of_operator())


@pytest.fixture(scope="module")
def client(stack: Stack) -> RecommendClient:
    return RecommendClient(stack.url("recommend"), stack.environment.secret("RECSYS_TOKEN_KEY"), {})


@pytest.fixture(scope="module")
def ingested(ctx: Context, tmp_path_factory: pytest.TempPathFactory) -> list[RunRecord]:
    directory = tmp_path_factory.mktemp("shop")
    return [
        take_in(ctx, small_shop.write_items(directory / "items.csv"), UploadKind.ITEMS),
        take_in(ctx, small_shop.write_events(directory / "events.csv"), UploadKind.EVENTS),
    ]


@pytest.fixture(scope="module")
def trained(stack: Stack, ingested: list[RunRecord]) -> Any:
    answer = trigger(stack, "train")
    assert answer.status == 200, answer.body
    return answer.json()["runs"][0]


def take_in(ctx: Context, path: Path, kind: UploadKind) -> RunRecord:
    since = ctx.now()
    item = upload(ctx, path, kind)
    return list(follow(ctx, of_upload(item), since=since, timeout_s=DEADLINE_S))[-1]


def trigger(stack: Stack, function: str) -> Answer:
    token = stack.environment.secret("RECSYS_TRIGGER_TOKEN")
    answer = call(
        "POST", stack.url(function), body=b"{}", headers={"Authorization": f"Bearer {token}"}, timeout_s=DEADLINE_S * 2
    )
    assert answer is not None
    return answer


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_uploads_are_taken_in_by_the_bucket_event(ctx: Context, ingested: list[RunRecord]) -> None:
    assert [run.state for run in ingested] == [RunState.DONE, RunState.DONE]
    store = status(ctx).store
    assert store is not None
    assert store.items == len(small_shop.AISLES) * small_shop.ITEMS_PER_AISLE
    assert status(ctx).waiting == ()


def test_a_model_is_trained_and_served(trained: Any, client: RecommendClient) -> None:
    assert trained["state"] == "done"
    until(lambda: len(client.for_nobody()) == 10)


def test_people_get_their_own_aisle(trained: Any, client: RecommendClient) -> None:
    until(lambda: len(client.for_nobody()) == 10)
    for person in range(4):
        items = client.for_person(small_shop.person_id(person))
        own = [item for item in items if item.category == small_shop.aisle_of(person)]
        assert len(own) > len(items) / 2


def test_new_purchases_and_a_new_product_show_without_training(
    trained: Any, ctx: Context, client: RecommendClient, tmp_path: Path
) -> None:
    until(lambda: len(client.for_nobody()) == 10)
    new = ("tea-new", "tea", "a new maker", 2.5, "", "the new tea")
    upload(ctx, small_shop.write_items(tmp_path / "more.csv", extra=[new]), UploadKind.ITEMS)
    until(lambda: "tea-new" in {item.item_id for item in client.popular(brand="a new maker")})
    assert {item.category for item in client.similar("tea-new")[:5]} == {"tea"}

    stranger = "somebody who was never here"
    before = client.for_person(stranger)
    now = datetime.now(UTC).isoformat()
    bought = [(stranger, small_shop.item_id("soap", number), now, 1) for number in range(4)]
    upload(ctx, small_shop.write_lines(tmp_path / "new.csv", bought), UploadKind.EVENTS)
    until(lambda: client.for_person(stranger) != before)
    after = client.for_person(stranger)
    assert after[0].category == "soap"
    assert not {item.item_id for item in after} & {row[1] for row in bought}


def test_a_refused_file_is_reported_and_the_next_one_taken(ctx: Context, stack: Stack, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.parquet"
    wrong.write_text("this is no Parquet")
    run = take_in(ctx, wrong, UploadKind.EVENTS)
    assert run.state is RunState.REFUSED
    assert run.error is not None
    right = small_shop.write_lines(tmp_path / "right.csv", [("late", "tea-1", datetime.now(UTC).isoformat(), 1)])
    assert take_in(ctx, right, UploadKind.EVENTS).state is RunState.DONE


def test_functions_refuse_whoever_has_no_token(stack: Stack) -> None:
    for function in ("ingest", "update", "train"):
        answer = call("POST", stack.url(function), body=b"{}")
        assert answer is not None
        assert answer.status == 401


def test_recommend_cannot_write_the_bucket(stack: Stack) -> None:
    function = stack.manifest.function("recommend")
    ctx = make_context(stack.environment.of("recommend", function.container) | {"RECSYS_CACHE_DIR": "/nowhere"})
    with pytest.raises(Exception, match="may not do this"):
        ctx.bucket.put("x", b"")
