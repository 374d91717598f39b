from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.registry import families_for_people, make
from common.models.shape import DataShape
from common.schemas.data import U64, Catalogue, EventType, Interactions, LayerContent
from common.schemas.documents import DEFAULT_BLEND, SimilarBlend
from common.store.segments.co_purchases import CoPurchases
from common.usecases.publish.layers.base import MIN_NEIGHBOURS, StoreContent, base_content
from common.usecases.publish.layers.extras import BaseArrays
from common.usecases.publish.layers.items import take
from tests.shops import NOON, Event, catalogue, interactions

NOW = NOON + 10 * 86_400
NO_PAIRS = CoPurchases((), np.empty(0, np.int64), 0, *np.empty((2, 0), np.int32), *np.empty((2, 0), np.int64))
NOBODY: U64 = np.empty((0, 2), dtype=np.uint64)
PEOPLE = [f"u{i:02}" for i in range(12)]
TEA, SHOES = ("tea1", "tea2", "tea3"), ("shoe1", "shoe2", "shoe3")
EVENTS = [
    Event(person, item, day=number + place / 100)
    for number, person in enumerate(PEOPLE)
    for place, item in enumerate(TEA if number % 2 else SHOES)
    if place != number % 3
]
CATALOGUE = catalogue(
    [
        *((tea, "tea", "assam", 5.0) for tea in (*TEA, "gone")),
        *((shoe, "shoes", "acme", 80.0) for shoe in SHOES),
        ("tea9", "tea", "assam", 5.5),
    ]
)
CATALOGUE = replace(CATALOGUE, available=np.array([item_id != "gone" for item_id in CATALOGUE.item_ids]))
NO_CATALOGUE = take(CATALOGUE, [])


def fit(data: Interactions, family: str = "als") -> Artifact:
    model = make(family).suited(DataShape.of(data, 256))
    return model.fit(TrainingData(data, CATALOGUE), FitOptions(seed=1, threads=1, now_s=NOW))


def base(
    data: Interactions,
    items: Catalogue = CATALOGUE,
    changed: U64 = NOBODY,
    artifact: Artifact | None = None,
    similar: SimilarBlend | None = DEFAULT_BLEND,
) -> LayerContent:
    held = StoreContent(data, items, NOW, NO_PAIRS, similar=similar)
    return base_content(artifact or fit(data), held, changed, threads=1)


def number(content: LayerContent, item_id: str) -> int:
    return content.catalogue.item_ids.index(item_id)


def test_every_item_that_anybody_names_has_a_number_and_a_card() -> None:
    content = base(interactions([*EVENTS, Event("u00", "unlisted", 3)]))
    assert content.catalogue.item_ids == tuple(sorted({*CATALOGUE.item_ids, "unlisted"}))
    assert content.item_nos.tolist() == list(range(9))
    assert [json.loads(card)["item_id"] for card in content.cards] == list(content.catalogue.item_ids)


def test_what_the_catalogue_does_not_list_or_sell_is_kept_and_never_recommended() -> None:
    content = base(interactions([*EVENTS, *(Event(person, "unlisted", 3) for person in PEOPLE)]))
    hidden = {number(content, "unlisted"), number(content, "gone")}
    lists = [content.popular, content.newest, *(content.popular_by_category or {}).values(), content.similar.ravel()]
    for listed in lists:
        assert listed is not None
        assert not hidden & set(listed.tolist())
    assert {number for number, sold in enumerate(content.catalogue.available) if not sold} == hidden
    assert number(content, "unlisted") in content.users.items


def test_without_a_catalogue_everything_is_recommended_with_a_bare_card() -> None:
    content = base(interactions(EVENTS), NO_CATALOGUE)
    assert content.popular is not None
    assert len(content.popular) == 6
    assert content.catalogue.available.all()
    assert json.loads(content.cards[0])["title"] is None
    assert content.catalogue.created_at.tolist() == [NOON + s for s in first_days(content)]


def first_days(content: LayerContent) -> list[int]:
    first: dict[str, float] = {}
    for event in EVENTS:
        first[event.item] = min(event.day, first.get(event.item, 99.0))
    return [round(first[item_id] * 86_400) for item_id in content.catalogue.item_ids]


def test_trained_vectors_are_taken_over_and_the_others_come_from_their_like() -> None:
    artifact = fit(interactions(EVENTS))
    content = base(interactions(EVENTS), artifact=artifact)
    for row, item_id in enumerate(artifact.item_ids):
        assert content.item_vectors[number(content, item_id)].tolist() == artifact.item_vectors[row].tolist()
    new = content.item_vectors[number(content, "tea9")]
    scores = artifact.item_vectors @ new
    assert {artifact.item_ids[row] for row in np.argsort(-scores)[:3]} == set(TEA)
    assert {content.catalogue.item_ids[no] for no in content.similar[number(content, "tea9")][:3]} == set(TEA)


def test_people_have_the_trained_vector_unless_they_have_news() -> None:
    data = interactions(EVENTS)
    artifact = fit(data)
    odd = replace(artifact, user_vectors=artifact.user_vectors + 1)
    content = base(data, artifact=odd, changed=data.user_keys[2:3])
    assert content.users.keys.tolist() == artifact.user_keys.tolist()
    assert content.users.vectors[0].tolist() == odd.user_vectors[0].tolist()
    assert content.users.vectors[2] == pytest.approx(artifact.user_vectors[2], abs=1e-4)


def test_people_unknown_to_training_get_a_vector_and_those_without_a_history_no_row() -> None:
    artifact = fit(interactions(EVENTS))
    extra = [Event("v", "tea1", 5), Event("w", "tea1", 5), Event("w", "tea1", 6, EventType.RETURN)]
    content = base(interactions([*EVENTS, *extra]), artifact=artifact)
    assert len(content.users.keys) == len(PEOPLE) + 1
    query = content.users.vectors[-1]
    assert {content.catalogue.item_ids[no] for no in np.argsort(-content.item_vectors @ query)[:3]} <= {
        *TEA,
        "tea9",
        "gone",
    }


@pytest.mark.parametrize("family", sorted(families_for_people()))
def test_every_family_for_people_makes_a_base_of_finite_numbers(family: str) -> None:
    data = interactions(EVENTS)
    content = base(data, artifact=fit(data, family))
    assert np.isfinite(content.item_vectors).all()
    assert np.isfinite(content.users.vectors).all()
    assert len(content.users.vectors) in (0, len(content.users.keys))
    assert (content.similar < len(content.item_nos)).all()


def test_neighbours_have_buyers_enough_where_the_shop_has_such_items(monkeypatch: pytest.MonkeyPatch) -> None:
    data = interactions([*EVENTS, Event("u00", "rare", 1)])
    items = catalogue([*((item_id, "c", "b", 1.0) for item_id in (*TEA, *SHOES, "rare"))])
    few = base(data, items)
    assert BaseArrays.of(few.encoder).neighbours.all(), f"fewer than {MIN_NEIGHBOURS} items: all are neighbours"
    monkeypatch.setattr("common.usecases.publish.layers.base.MIN_NEIGHBOURS", 3)
    monkeypatch.setattr("common.usecases.publish.layers.base.NEIGHBOUR_PEOPLE", 2)
    many = base(data, items, similar=None)
    assert number(many, "rare") not in many.similar
    assert (many.similar[number(many, "rare")] >= 0).any()
    blended = base(data, items)
    shown = [row[row >= 0].tolist() for row in blended.similar if number(blended, "rare") in row]
    assert {row[-1] for row in shown} == {number(blended, "rare")}, "within its category it comes last"
    assert len(shown) == len(items) - 1
