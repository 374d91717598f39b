"""What stands first in each kind after a night: what is clearly better there than what stands first as declared."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.kind_questions import KINDS
from common.evaluation.kinds import OTHER_CATEGORIES, KindJudgement
from common.evaluation.split import temporal_split
from common.models.artifact import Artifact
from common.models.base import TrainingData
from common.models.registry import make
from common.models.shape import DataShape
from common.schemas.data import EventType, Interactions
from common.schemas.documents import RunState
from common.schemas.kind import Kind
from common.schemas.links import Place
from common.schemas.pairs import PairRule
from common.serving.kinds import DECLARATIONS, Listing
from common.store.segments.co_purchases import CoPurchases
from common.usecases.publish.layers.together import StoredCoPurchases
from common.usecases.shared.figure_tables import tables_of
from common.usecases.train import kinds as kinds_module
from common.usecases.train.co_purchases import co_purchases_of
from common.usecases.train.contenders import Contenders
from common.usecases.train.kinds import (
    BUDGET_SHARE,
    KindsOfNight,
    categories_before,
    kinds_budget_s,
    kinds_of_night,
    told_of_kinds,
)
from common.usecases.train.links import LinksOfNight
from common.usecases.train.model_selection import TrainPlan
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.similar import SimilarOfNight, similar_of_night
from common.usecases.train.train import TrainOptions, train
from common.usecases.train.workbench import Order, Workbench
from tests.memory import memory_context
from tests.shops import Event, catalogue, interactions
from tests.store.shop import reading
from tests.stored import Item, add_batch, open_served, served_document
from tests.unit.test_visits import of_links

PAIRS = 24
CATALOGUE = catalogue([(f"{kind}{number}", kind, "", 1.0) for kind in ("cup", "tea") for number in range(PAIRS)])


def pairs(days: int = 40) -> list[Event]:
    """Each order is a cup and the tea of its number, and what comes in the next order is anything."""
    rng = np.random.default_rng(3)
    events = []
    for day in range(days):
        for person in rng.choice(30, 12, replace=False).tolist():
            number = int(rng.integers(PAIRS))
            key = day * 100 + person
            events += [
                Event(f"u{person:02}", f"{kind}{number}", day + person / 50, order=key) for kind in ("cup", "tea")
            ]
    return events


DATA = TrainingData(interactions(pairs()), CATALOGUE)


def settings(directory: Path, **more: object) -> Settings:
    return memory_context(directory, validation_days=10, test_days=10, **more).settings


def selected(directory: Path, family: str = "popular", data: TrainingData = DATA) -> SelectedModel:
    model = make(family).suited(DataShape.of(data.interactions, 256))
    return SelectedModel(Workbench(data, Order.of(settings(directory))), model)


def found(
    directory: Path,
    data: TrainingData = DATA,
    seconds: float = 300,
    links: LinksOfNight | None = None,
    similar: SimilarOfNight | None = None,
    family: str = "popular",
) -> KindsOfNight:
    return kinds_of_night(
        data,
        selected(directory, family, data),
        settings(directory),
        seconds,
        links or LinksOfNight(),
        similar or SimilarOfNight(),
        28,
        {"basket": "own", "session": "own"},
    )


def linked(rows: dict[str, dict[str, float]]) -> LinksOfNight:
    """Links of a basket that are published."""
    artifact = of_links(rows, ids=DATA.interactions.item_ids)
    return LinksOfNight({Place.BASKET: None}, judged={Place.BASKET: artifact})  # type: ignore[dict-item]


RIGHT = {f"cup{number}": {f"tea{number}": 1.0} for number in range(PAIRS)} | {
    f"tea{number}": {f"cup{number}": 1.0} for number in range(PAIRS)
}
WRONG = {item: {f"cup{(int(item[3:]) + 1) % PAIRS}": 1.0} for item in RIGHT}


def test_each_kind_has_a_table_of_its_own(tmp_path: Path) -> None:
    night = found(tmp_path, links=linked(RIGHT))
    basket = night.figures["basket"]
    rows = {row["name"]: row for row in basket["table"]}
    assert list(rows) == ["linked", "complements", "popular"], "popular ranks the same for all, so it is no own list"
    assert rows["linked"]["ndcg@10"]["mean"] == rows["complements"]["ndcg@10"]["mean"] == 1
    assert rows["popular"]["ndcg@10"]["mean"] < 0.7
    assert rows["popular"]["lead"]["low"] > 0
    assert (basket["first"], basket["usual"]) == ("linked", "linked"), "level with it, so nothing changes"
    assert OTHER_CATEGORIES not in rows["linked"]["metrics"], "all of a basket is of another category than the rest"
    assert basket["questions"] == 2 * basket["asked"]
    assert night.figures.keys() == {"basket", "bought-together", "because-you-bought"}
    assert night.first == {"session": "own"}, "what could not be judged stays as it is served"


def test_what_is_clearly_better_stands_first(tmp_path: Path) -> None:
    night = found(tmp_path, links=linked(WRONG))
    assert night.first["basket"] == "complements"
    assert "bought-together" not in night.first, "links are no better than the usual list"
    [line] = [line for line in told_of_kinds(night) if line.startswith("basket")]
    assert line.startswith("basket begins with complements, ndcg@10 1.0000; linked has 0.")


def test_company_of_other_categories_may_not_become_worse(tmp_path: Path) -> None:
    level = np.array([0.5] * 40)
    usual = KindJudgement({"ndcg@10": 0.5}, level, level)
    better = KindJudgement({"ndcg@10": 0.6}, level + 0.1, level)
    alternatives = KindJudgement({"ndcg@10": 0.7}, level + 0.2, level - 0.1)
    of_one_category = replace(alternatives, others=np.full(40, np.nan))
    judged = {Listing.LINKED: alternatives, Listing.BOUGHT_TOGETHER: usual, Listing.OWN: better}
    first = kinds_module._first
    assert first(judged, Listing.BOUGHT_TOGETHER, 1) is Listing.OWN
    assert first({**judged, Listing.LINKED: of_one_category}, Listing.BOUGHT_TOGETHER, 1) is Listing.LINKED
    assert first({**judged, Listing.OWN: usual}, Listing.BOUGHT_TOGETHER, 1) is Listing.BOUGHT_TOGETHER


@pytest.mark.slow(lane="train")
def test_similar_items_and_the_model_are_judged_where_there_are_such_lists(tmp_path: Path) -> None:
    model = selected(tmp_path, "als")
    similar = similar_of_night(DATA, model, settings(tmp_path), 300, 28)
    assert similar.shelf is not None
    night = found(tmp_path, similar=similar, family="als")
    names = {kind: {row["name"] for row in figures["table"]} for kind, figures in night.figures.items()}
    assert names["because-you-bought"] == {"complements", "neighbours", "popular"}
    assert names["basket"] == {"complements", "own", "popular"}
    with_links = found(tmp_path, links=linked(RIGHT), similar=similar, family="als")
    assert {row["name"] for row in with_links.figures["basket"]["table"]} == {"linked", "mixed", *names["basket"]}
    by_vectors = found(tmp_path, similar=replace(similar, blend=None), family="als")
    assert by_vectors.figures["because-you-bought"]["table"] != night.figures["because-you-bought"]["table"]


def test_views_are_judged_by_what_is_viewed_next(tmp_path: Path) -> None:
    circle = [
        Event(event.user, f"i{(start + step) % 9}", event.day + step / 1440, EventType.VIEW)
        for start, event in enumerate(pairs()[::2])
        for step in range(3)
    ]
    data = TrainingData(interactions(circle))
    after = of_links({f"i{n}": {f"i{(n + 1) % 9}": 1.0} for n in range(9)}, ids=data.interactions.item_ids)
    links = LinksOfNight({Place.VISIT: None}, judged={Place.VISIT: after})  # type: ignore[dict-item]
    night = found(tmp_path, data, links=links)
    assert night.figures.keys() == {"session", "because-you-viewed"}
    for figures in night.figures.values():
        rows = {row["name"]: row["ndcg@10"]["mean"] for row in figures["table"]}
        assert list(rows) == ["linked", "popular", "most often with the last item"]
        assert rows["linked"] == 1
        assert rows["linked"] > rows["most often with the last item"] > rows["popular"]


@pytest.mark.parametrize("seconds", [0, -1e9])
def test_without_time_what_is_served_stays(tmp_path: Path, seconds: float) -> None:
    night = found(tmp_path, seconds=seconds)
    assert night.first == {"basket": "own", "session": "own"}
    assert night.figures == {}
    assert [notice.endswith("the time to judge them was spent") for notice in night.notices] == [True] * (
        len([kind for kind in KINDS if kind not in (Kind.SESSION, Kind.BECAUSE_YOU_VIEWED)]) if seconds else 0
    )


def test_a_kind_that_cannot_be_judged_holds_back_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = Contenders.lists

    def refused(self: Contenders, listing: Listing, asked: object) -> object:
        if listing is Listing.COMPLEMENTS:
            raise RefusedError("no")
        return judged(self, listing, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(Contenders, "lists", refused)
    night = found(tmp_path)
    assert night.figures.keys() == {"bought-together"}
    assert night.notices == ("basket was not judged: no", "because-you-bought was not judged: no")


def test_a_few_baskets_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = found(tmp_path).figures["basket"]["asked"]
    monkeypatch.setattr(kinds_module, "FEWEST", asked)
    assert "basket" in found(tmp_path).figures
    monkeypatch.setattr(kinds_module, "FEWEST", asked + 1)
    night = found(tmp_path)
    assert "basket" not in night.figures
    assert night.first["basket"] == "own", "what is served stays"


def test_it_takes_its_share_of_the_night() -> None:
    ends = time.monotonic() + 1000
    assert kinds_budget_s(TrainPlan(("als",), True, ends, None)) == pytest.approx(1000 * BUDGET_SHARE, rel=0.1)
    assert kinds_budget_s(TrainPlan(("als",), False, ends, None)) == 0


@pytest.mark.slow(lane="train")
def test_what_was_bought_together_is_counted_as_the_store_counts_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    events = [
        Event(None if person == 5 else f"u{person}", f"i{item}", day + step / 2000, order=key)
        for day in range(20)
        for person in range(12)
        for key in [-1 if person < 4 else day * 100 + person]
        for step, item in enumerate(rng.integers(0, 9, rng.integers(1, 5)).tolist())
    ]
    ctx = memory_context(tmp_path)
    add_batch(ctx, events)
    with reading(ctx) as (_, store):
        stored, data = store.co_purchases(PairRule(2)), store.interactions()
    counted = co_purchases_of(data, PairRule(2), lambda: None)
    assert pairs_of(counted) == pairs_of(stored)
    assert counted.n_orders == stored.n_orders
    assert dict(zip(counted.item_ids, counted.orders.tolist(), strict=True)) == dict(
        zip(stored.item_ids, stored.orders.tolist(), strict=True)
    )


def pairs_of(counts: CoPurchases) -> dict[tuple[str, str], tuple[int, int]]:
    ids = counts.item_ids
    rows = zip(
        counts.first.tolist(), counts.second.tolist(), counts.together.tolist(), counts.people.tolist(), strict=True
    )
    return {(ids[first], ids[second]): (together, people) for first, second, together, people in rows}


def test_the_lists_that_are_judged_are_those_that_are_served(tmp_path: Path) -> None:
    split = temporal_split(DATA.interactions, 10, 10)
    assert split is not None
    assert split.test is not None
    past = split.test.past
    known = contenders(tmp_path, DATA)
    artifact: Artifact = known._together
    numbers = np.arange(past.n_items, dtype=np.int32)
    codes = categories_before(CATALOGUE, split.test).astype(np.int32)
    lists = StoredCoPurchases.counted(co_purchases_of(past, PairRule(5), lambda: None), numbers, codes).lists
    rows = artifact.links
    assert rows is not None
    for number in range(past.n_items):
        span, served = rows.span(number), lists.span(number)
        assert (span is None) == (served is None)
        if span is not None and served is not None:
            best_first = np.argsort(-rows.weights[span], kind="stable")
            assert rows.items[span][best_first].tolist() == lists.items[served].tolist()


def contenders(directory: Path, data: TrainingData) -> Contenders:
    split = temporal_split(data.interactions, 10, 10)
    assert split is not None
    assert split.test is not None
    return Contenders(
        split.test,
        selected(directory),
        {},
        None,
        None,
        categories_before(CATALOGUE, split.test),
        PairRule(5),
        28,
        np.inf,
    )


def test_an_empty_past_has_no_pairs() -> None:
    nothing: Interactions = interactions([])
    assert len(co_purchases_of(nothing, PairRule(2), lambda: None).first) == 0


def test_a_contender_is_a_list_that_is_declared() -> None:
    for kind in KINDS:
        assert len(DECLARATIONS[kind].contenders) > 1
    assert {kind for kind in Kind if DECLARATIONS[kind].contenders} == set(KINDS)


@pytest.mark.slow(lane="train")
def test_a_night_publishes_what_stands_first(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, validation_days=10, test_days=10, tune_trials=0)
    add_batch(ctx, pairs(), [Item(item_id, item_id[:3]) for item_id in CATALOGUE.item_ids])
    run = train(ctx, TrainOptions(families=("als", "cooccurrence"), budget_s=600))
    assert run.state is RunState.DONE
    blob = ctx.bucket.get(ctx.keys.model_file(run.run_id, "metrics.json"))
    assert blob is not None
    titles = {table.title for table in tables_of(json.loads(blob.data))}
    assert titles >= {"models, all purchases", "similar", "basket", "bought-together", "because-you-bought"}
    figures = json.loads(blob.data)["kinds"]
    assert figures.keys() == {"basket", "bought-together", "because-you-bought"}
    first = {kind: found["first"] for kind, found in figures.items() if found["first"] != found["usual"]}
    assert served_document(ctx).bundle.model.first_lists == first
    assert open_served(ctx).first_lists == first
