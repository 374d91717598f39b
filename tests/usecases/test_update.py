"""What new batches change in what is served, on a shop in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.models.trend import with_trend
from common.schemas.data import EventType
from common.schemas.documents import RepeatPurchases, RunState
from common.schemas.kind import Kind
from common.serving.filters import Filter
from common.testing.memory import MemoryBucket
from common.usecases.publish.publish import ServingChoices
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.shared.runs import start_run
from common.usecases.train.publish_model import publish_model
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import Event, interactions
from tests.stored import (
    Item,
    add_batch,
    fit,
    open_served,
    publish,
    read_served,
    rollback,
    served_document,
)

TEA, SHOES = ("tea1", "tea2", "tea3"), ("shoe1", "shoe2", "shoe3")
PEOPLE = tuple(f"u{number:02}" for number in range(12))
EVENTS = [
    Event(person, item, day=number + place / 100)
    for number, person in enumerate(PEOPLE)
    for place, item in enumerate(TEA if number % 2 else SHOES)
    if place != number % 3
]
ITEMS = [*(Item(tea, "tea", "assam", 5.0) for tea in TEA), *(Item(shoe, "shoes", "acme", 80.0) for shoe in SHOES)]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MemoryBucket]:
    """A shop whose first batch is trained on and published."""
    directory, bucket = tmp_path_factory.mktemp("shop"), MemoryBucket()
    published(memory_context(directory, bucket))
    return directory, bucket


@pytest.fixture
def shop(once: tuple[Path, MemoryBucket]) -> Context:
    """That shop, for one test to change."""
    directory, bucket = once
    return memory_context(directory, bucket.copy())


def published(ctx: Context) -> Context:
    add_batch(ctx, EVENTS, ITEMS)
    publish(ctx, *fit(ctx))
    return ctx


def key(ctx: Context, user: str) -> bytes:
    return bytes(ctx.shop.pseudonymizer.user_key(user))


def best(ctx: Context, user: str, n: int = 3) -> list[str]:
    """The ids with the highest scores for a person, whatever they own."""
    served = read_served(ctx)
    ids = list(served.items)
    scores = np.array([served.items[item_id][2] for item_id in ids]) @ served.vectors[key(ctx, user)]
    return [ids[place] for place in np.argsort(-scores)[:n]]


def test_what_somebody_buys_anew_is_put_forward_at_once(once: tuple[Path, MemoryBucket], tmp_path: Path) -> None:
    shop = memory_context(tmp_path, once[1].copy())
    artifact, covers_seq = fit(shop)
    with start_run(shop, "train") as log:
        decided = RepeatPurchases(decision="boost", boost=100.0, half_life_days=30.0)
        publish_model(shop, artifact, {}, covers_seq, log, choices=ServingChoices(repeats=decided))
        log.finish()
    assert set(shown(shop, "u01")) <= set(TEA)
    add_batch(shop, [Event("u01", "shoe2", 20 + day) for day in range(3)], [])
    update(shop)
    assert shown(shop, "u01")[0] == "shoe2"


def shown(ctx: Context, user: str) -> list[str]:
    service = RecommendService(ctx)
    service.watch.refresh()
    return [item["item_id"] for item in json.loads(service.recommend(Query(n=2, user_id=user)).body)["items"]]


def test_a_published_base_serves_everybody(shop: Context) -> None:
    served = read_served(shop)
    assert set(served.items) == {*TEA, *SHOES}
    assert len(served.people) == len(PEOPLE)
    assert set(best(shop, "u01")) == set(TEA)
    assert served.popular[0] in {*TEA, *SHOES}
    assert set(served.similar["tea1"][:2]) == {"tea2", "tea3"}


def test_a_known_person_who_turns_to_something_else_is_recommended_that(shop: Context) -> None:
    assert set(best(shop, "u01")) == set(TEA)
    add_batch(shop, [Event("u01", shoe, 20) for shoe in SHOES for _ in range(3)])
    record = update(shop)
    assert record.state is RunState.DONE
    assert record.counts == {"items": 0, "users": 1}
    assert best(shop, "u01", 1)[0] in SHOES
    assert [item for item, _, _ in read_served(shop).people[key(shop, "u01")]][-3:] == list(SHOES)


def test_a_new_person_is_served(shop: Context) -> None:
    assert key(shop, "newcomer") not in read_served(shop).people
    add_batch(shop, [Event("newcomer", "tea1", 20)])
    update(shop)
    assert set(best(shop, "newcomer")) == set(TEA)


def test_a_new_item_is_found_among_its_like(shop: Context) -> None:
    add_batch(shop, items=[Item("tea9", "tea", "assam", 5.5)])
    update(shop)
    served = read_served(shop)
    assert served.newest[0] == "tea9"
    assert set(served.similar["tea9"][:3]) == set(TEA)
    assert "tea9" in best(shop, "u01", 4)
    assert "tea9" not in best(shop, "u00", 2)


def test_an_update_answers_a_trend_as_training_does(once: tuple[Path, MemoryBucket], tmp_path: Path) -> None:
    """The trend is the last column: of a person the length of the rest, of a new item that of its like."""
    shop = memory_context(tmp_path, once[1].copy())
    artifact, covers_seq = fit(shop)
    data = interactions(EVENTS)
    publish(shop, with_trend(artifact, data, int(data.ts[-1]), 5.0), covers_seq)
    before = read_served(shop)
    add_batch(shop, [Event("newcomer", "tea1", 20), Event("u01", "shoe1", 20)], [Item("tea9", "tea", "assam", 5.5)])
    update(shop)
    served = read_served(shop)
    for user in ("newcomer", "u01", "u00"):
        vector = served.vectors[key(shop, user)]
        assert vector[-1] == pytest.approx(np.linalg.norm(vector[:-1]), rel=1e-5)
        assert vector[-1] > 0
    trends = [before.items[tea][2][-1] for tea in TEA]
    assert min(trends) <= served.items["tea9"][2][-1] <= max(trends)
    assert set(served.similar["tea9"][:3]) == set(TEA)


def test_a_new_price_shows_on_the_card_and_leaves_the_taste(shop: Context) -> None:
    before = read_served(shop)
    add_batch(shop, items=[Item("tea1", "tea", "assam", 4.0)])
    update(shop)
    after = read_served(shop)
    assert (before.items["tea1"][0]["price"], after.items["tea1"][0]["price"]) == (5.0, 4.0)
    assert after.items["tea1"][2].tolist() == before.items["tea1"][2].tolist()
    assert after.similar["tea1"] == before.similar["tea1"]
    assert open_served(shop).items.n == len(ITEMS)


def test_a_withdrawn_item_is_in_no_list(shop: Context) -> None:
    add_batch(shop, items=[Item("tea1", "tea", "assam", 5.0, available=False)])
    update(shop)
    served = read_served(shop)
    assert not served.items["tea1"][1]
    assert "tea1" not in {*served.popular, *served.newest, *served.popular_in["tea"]}
    add_batch(shop, items=[Item("tea1", "tea", "assam", 5.0)])
    update(shop)
    assert "tea1" in read_served(shop).newest


def test_a_new_item_is_met_on_its_shelf_and_by_people_whom_it_fits(shop: Context) -> None:
    """The last of four places is for new items; the others keep their order."""
    served = replace(shop, shop=replace(shop.shop, settings=shop.shop.settings.model_copy(update={"new_share": 4})))
    teas = [Item(f"more{number}", "tea", "assam", 5.0) for number in range(5)]
    add_batch(shop, [Event(f"b{person}", tea.item_id, 20) for tea in teas for person in range(9)], teas)
    update(shop)
    questions = [
        Query(n=4, kind=Kind.POPULAR, wanted=Filter(categories=("tea",))),
        Query(n=4, kind=Kind.FOR_YOU, user_id="u01"),
        Query(n=4, kind=Kind.SESSION, session=(("tea1", EventType.VIEW),)),
    ]
    before = [asked(served, question) for question in questions]
    add_batch(shop, items=[Item("fresh", "tea", "assam", 5.0), Item("boots", "shoes", "acme", 80.0)])
    update(shop)
    for question, earlier in zip(questions, before, strict=True):
        shown = asked(served, question)
        assert shown == [*earlier[:3], "fresh"]
    assert set(asked(served, Query(n=2, kind=Kind.NEWEST))) == {"boots", "fresh"}
    add_batch(shop, [Event(f"c{person}", "fresh", 20) for person in range(9)])
    update(shop)
    assert "fresh" not in read_served(shop).few_know


def asked(ctx: Context, query: Query) -> list[str]:
    service = RecommendService(ctx)
    service.watch.refresh()
    return [item["item_id"] for item in json.loads(service.recommend(query).body)["items"]]


def test_the_last_order_is_known_at_once(shop: Context) -> None:
    def latest(user: str) -> set[str]:
        bundle = open_served(shop)
        person = bundle.find_person(shop.shop.pseudonymizer.user_key(user))
        assert person is not None
        return {json.loads(bundle.items.card(no))["item_id"] for no in person.items[person.latest].tolist()}

    assert latest("u01") == {"tea1", "tea3"}
    add_batch(shop, [Event("u01", "shoe1", 20), Event("u01", "shoe2", 20.001), Event("u01", "shoe3", 19)])
    update(shop)
    assert latest("u01") == {"shoe1", "shoe2"}
    because = asked(shop, Query(n=9, kind=Kind.BECAUSE_YOU_BOUGHT, user_id="u01"))
    assert not {"shoe1", "shoe2", "shoe3"} & set(because)


def test_what_becomes_cheaper_is_on_sale_until_it_is_not(shop: Context) -> None:
    assert read_served(shop).on_sale == []
    for price, available, listed, shown in (
        (4.0, True, ["tea1"], ["tea1"]),
        (4.0, False, ["tea1"], []),
        (4.5, True, ["tea1"], ["tea1"]),
        (5.0, True, [], []),
    ):
        add_batch(shop, items=[Item("tea1", "tea", "assam", price, available, regular_price=5.0)])
        update(shop)
        assert read_served(shop).on_sale == listed
        assert asked(shop, Query(n=9, kind=Kind.ON_SALE)) == shown


def test_what_sells_rises(shop: Context) -> None:
    add_batch(shop, [Event(None, "tea3", 20) for _ in range(30)])
    update(shop)
    served = read_served(shop)
    assert served.popular[0] == "tea3"
    assert served.popular_in["tea"][0] == "tea3"


def test_who_buys_again_counts_once_in_what_is_popular(shop: Context) -> None:
    """The four who bought tea1 buy it again, in two batches; one more person buys shoe1, which four have as well."""
    for day in (12, 13):
        add_batch(shop, [Event(person, "tea1", day) for person in ("u01", "u05", "u07", "u11")])
        update(shop)
    add_batch(shop, [Event("new", "shoe1", 12.5)])
    update(shop)
    served = read_served(shop)
    assert served.popular[:2] == ["shoe1", "tea1"]


def test_a_return_takes_a_purchase_back(shop: Context) -> None:
    owned = {item for item, _, bought in read_served(shop).people[key(shop, "u01")] if bought}
    add_batch(shop, [Event("u01", item, 20, EventType.RETURN) for item in owned])
    update(shop)
    assert key(shop, "u01") not in read_served(shop).people


def test_an_event_of_an_item_that_the_catalogue_does_not_list(shop: Context) -> None:
    add_batch(shop, [Event("u01", "unlisted", 20)])
    update(shop)
    served = read_served(shop)
    assert "unlisted" in [item for item, _, _ in served.people[key(shop, "u01")]]
    assert not served.items["unlisted"][1]
    assert "unlisted" not in {*served.popular, *served.newest}
    add_batch(shop, items=[Item("unlisted", "tea", "assam", 5.0)])
    update(shop)
    served = read_served(shop)
    assert "unlisted" in served.popular
    assert "unlisted" in best(shop, "u01", 4)


def test_nothing_new_is_done_at_once(shop: Context) -> None:
    before = served_document(shop)
    record = update(shop)
    assert (record.state, record.counts) == (RunState.DONE, {})
    assert served_document(shop) == before


def test_nothing_is_served_yet(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    add_batch(ctx, EVENTS)
    record = update(ctx)
    assert record.state is RunState.DONE
    assert "train" in record.notices[0]


def test_deltas_are_folded_into_one(tmp_path: Path) -> None:
    ctx = published(memory_context(tmp_path, max_layers=2))
    sizes = []
    for day in range(20, 24):
        add_batch(ctx, [Event(f"guest{day}", "tea1", day)], [Item(f"tea{day}", "tea", "assam", 5.0)])
        update(ctx)
        sizes.append(len(served_document(ctx).bundle.layers))
    assert sizes == [2, 3, 2, 3]
    served = read_served(ctx)
    assert {f"tea{day}" for day in range(20, 24)} < set(served.items)
    assert len(served.people) == len(PEOPLE) + 4


def test_several_batches_at_once_cost_one_layer(shop: Context) -> None:
    for day in (20, 21, 22):
        add_batch(shop, [Event("u01", "shoe1", day)])
    update(shop)
    assert len(served_document(shop).bundle.layers) == 2
    assert served_document(shop).bundle.covers_seq == 4


@pytest.mark.parametrize("family", ["popular", "bpr"])
def test_other_families_are_brought_up_to_date_alike(tmp_path: Path, family: str) -> None:
    ctx = memory_context(tmp_path)
    add_batch(ctx, EVENTS, ITEMS)
    publish(ctx, *fit(ctx, family))
    add_batch(ctx, [Event("newcomer", "tea1", 20)], [Item("tea9", "tea", "assam", 5.5)])
    assert update(ctx).state is RunState.DONE
    served = read_served(ctx)
    assert [item for item, _, _ in served.people[key(ctx, "newcomer")]] == ["tea1"]
    assert np.isfinite(served.items["tea9"][2]).all()


def test_without_a_catalogue_new_items_are_recommended(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path)
    add_batch(ctx, EVENTS)
    publish(ctx, *fit(ctx))
    add_batch(ctx, [Event("u01", "surprise", 20)])
    update(ctx)
    served = read_served(ctx)
    assert served.newest[0] == "surprise"
    assert "surprise" in served.popular


def test_batches_that_land_while_a_base_is_made_are_brought_in(shop: Context) -> None:
    artifact, covered = fit(shop)
    add_batch(shop, [Event("newcomer", "tea1", 20), Event("u00", "tea1", 20)])
    bundle = publish(shop, artifact, covered)
    assert bundle.covers_seq == 2
    assert set(best(shop, "newcomer")) == set(TEA)
    assert [item for item, _, _ in read_served(shop).people[key(shop, "u00")]][-1] == "tea1"


def test_rolling_back_serves_the_model_before_with_the_data_of_now(shop: Context) -> None:
    first = served_document(shop).bundle
    add_batch(shop, [Event("newcomer", "tea1", 20)])
    publish(shop, *fit(shop))
    second = served_document(shop).bundle
    add_batch(shop, [Event("latecomer", "shoe1", 21)])
    back = rollback(shop)
    assert back.model.version == first.model.version
    assert back.covers_seq == 3
    assert {key(shop, "newcomer"), key(shop, "latecomer")} < set(read_served(shop).people)
    forth = rollback(shop, to=second.bundle_id)
    assert forth.model.version == second.model.version
