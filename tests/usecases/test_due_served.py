"""What is due, from the upload of a purchase to the answer of a day."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from common.schemas.data import EventType
from common.schemas.documents import DueSettings
from common.schemas.kind import Kind
from common.testing.memory import MemoryBucket
from common.usecases.erase.export import export_person
from common.usecases.recommend.answer_cache import CacheKey
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import NOON, Event
from tests.stored import Item, add_batch, fit, publish, read_served

LEARNED = DueSettings(early=3, late=0.4, rebuys=0.3, sold=0.2)
TODAY = 100
QUESTION = Query(n=9, user_id="ada", kind=Kind.BUY_AGAIN)
KEY: CacheKey = (b"/v1/recommendations", b"kind=buy-again", None, "ada")


class Clock:
    """Counts days as events do."""

    day: float = TODAY

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(NOON, UTC) + timedelta(days=self.day)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> MemoryBucket:
    """Ada buys milk every week, flour every thirty days, and has bought a kettle; twenty others buy each once."""
    bucket = MemoryBucket()
    shop = memory_context(tmp_path_factory.mktemp("cache"), bucket)
    milk = [Event("ada", "milk", day) for day in (64, 71, 78, 85, 92, 99)]
    flour = [Event("ada", "flour", day) for day in (9, 39, 69)]
    kettle = [Event("ada", "kettle", 40)]
    others = [Event(f"u{n:02}", item, 50 + n) for n in range(20) for item in ("milk", "flour", "kettle")]
    add_batch(shop, [*milk, *flour, *kettle, *others], [Item("milk"), Item("flour"), Item("kettle", "tools")])
    publish(shop, *fit(shop), LEARNED)
    return bucket


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(once: MemoryBucket, clock: Clock, tmp_path: Path) -> Context:
    return replace(memory_context(tmp_path, once.copy()), now=clock)


def served(shop: Context) -> RecommendService:
    service = RecommendService(shop)
    service.watch.refresh()
    return service


def due(service: RecommendService) -> list[str]:
    return [item["item_id"] for item in json.loads(service.recommend(QUESTION).body)["items"]]


def test_the_order_follows_the_days(shop: Context, clock: Clock) -> None:
    service = served(shop)
    assert due(service) == ["flour", "milk", "kettle"]  # milk was bought yesterday
    clock.day = TODAY + 6
    assert due(service) == ["milk", "flour", "kettle"]


def test_an_answer_is_remembered_for_its_day(shop: Context, clock: Clock) -> None:
    service = served(shop)
    assert service.remembered(KEY) is None
    answer = service.recommend(QUESTION)
    service.remember(KEY, answer)
    clock.day = TODAY + 0.49
    assert service.remembered(KEY) is answer
    clock.day = TODAY + 0.51
    assert service.remembered(KEY) is None


def test_an_answer_that_is_made_at_midnight_does_not_stay_for_the_next_day(shop: Context, clock: Clock) -> None:
    service = served(shop)
    service.remembered(KEY)
    answer = service.recommend(QUESTION)
    clock.day = TODAY + 0.51
    service.remember(KEY, answer)
    assert service.remembered(KEY) is None


def test_other_answers_are_right_on_any_day(shop: Context, clock: Clock) -> None:
    service = served(shop)
    service.remembered(KEY)
    answer = service.recommend(Query(n=3, user_id="ada"))
    assert answer.day is None
    service.remember(KEY, answer)
    clock.day = TODAY + 400
    assert service.remembered(KEY) is answer


def test_a_purchase_of_today_is_due_no_more_at_once_and_again_later(shop: Context, clock: Clock) -> None:
    assert "milk" in due(served(shop))
    add_batch(shop, [Event("ada", "milk", TODAY + 0.1)])
    update(shop)
    assert "milk" not in due(served(shop))
    assert due(served(shop)) == ["flour", "kettle"]
    clock.day = TODAY + 7
    assert due(served(shop))[0] == "milk"


def test_what_was_given_back_is_not_due(shop: Context) -> None:
    add_batch(shop, [Event("ada", "kettle", 99, EventType.RETURN)])
    update(shop)
    assert set(due(served(shop))) == {"milk", "flour"}


def test_a_new_item_is_expected_to_be_bought_as_its_category(shop: Context) -> None:
    add_batch(shop, [Event("ada", "yeast", 99), Event("ada", "hammer", 99)], [Item("yeast"), Item("hammer", "tools")])
    update(shop)
    columns = read_served(shop).due[bytes(shop.shop.pseudonymizer.user_key("ada"))]
    assert 1 < columns["yeast"][2] < columns["hammer"][2] < 28.1
    assert columns["milk"][2] == pytest.approx(7, abs=2)
    assert columns["yeast"][1] == columns["milk"][1]


def test_the_export_says_what_is_expected(shop: Context) -> None:
    profile = export_person(shop, "ada").served
    assert profile is not None
    items = {item.item_id: item for item in profile.items}
    assert items["milk"].last_bought == date(2026, 1, 1) + timedelta(days=99)
    assert items["milk"].usual_gap_days == pytest.approx(7, abs=2)
    assert items["milk"].bought_again is not None
    assert items["kettle"].usual_gap_days is not None
    assert items["kettle"].usual_gap_days > 10
