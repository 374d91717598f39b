"""The answers of links: for visits and baskets of nobody known, in front of the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from common.errors import CorruptError
from common.evaluation.links import scores_of_links
from common.ids import UserKey
from common.models.artifact import Artifact
from common.schemas.data import EventType
from common.schemas.links import Place
from common.serving.bundle import ServedBundle, open_bundle
from common.serving.evidence import Reason, SessionItem
from common.serving.filters import Filter
from common.serving.linked import LinkedItems
from common.serving.promotions import Promotion
from common.serving.ranking import Pick, RankingRequest, Rung, rank
from common.serving.stages import Stage, StageTimer
from common.serving.variety import Variety
from tests.bundles import Goods, History, describe, item_links, layer_content, model_info

N = 12
ADA = UserKey(b"a" * 16)
VECTORS = np.array([[1 + n / 100, 0.01] if n % 2 == 0 else [0.01, 1 + n / 100] for n in range(N)], np.float32)
VISIT = {1: {2: 1.0, 3: 0.5, 5: 0.25}, 4: {2: 0.25, 6: 2.0}}
BASKET = {1: {7: 1.0}}
Build = Callable[..., ServedBundle]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def make(
        links: dict[str, dict[int, dict[int, float]]] | None = None,
        delta: dict[str, Any] | None = None,
        places: tuple[str, ...] = ("visit", "basket"),
        **goods: Any,
    ) -> ServedBundle:
        given = {"visit": VISIT, "basket": BASKET} if links is None else links
        base = layer_content(
            Goods(range(N), VECTORS, categories=[f"c{number % 3}" for number in range(N)], **goods),
            {ADA: History([0], np.array([1, 0], np.float32))},
            {"gram": (VECTORS.T @ VECTORS + np.eye(2)).astype(np.float32)},
            popular=np.array([5, 4, 3], np.int32),
            newest=np.arange(N, dtype=np.int32),
            links={place: item_links(rows) for place, rows in given.items()},
        )
        contents = [base, layer_content(**delta)] if delta else [base]
        directory = Path(mkdtemp(dir=tmp_path))
        document, paths = describe(contents, model_info(2), directory)
        beside = {place: model_info(0, "links", encoder_params={"memory": 1.0}) for place in places}
        return open_bundle(document.model_copy(update={"beside": beside}), lambda ref: paths[ref.key])

    return make


def seen(*items: int, kind: EventType = EventType.VIEW) -> tuple[SessionItem, ...]:
    return tuple(SessionItem(item, kind) for item in items)


def linked(picks: list[Pick]) -> list[int]:
    """The picks that come from links, which have scores here; those of the model behind them have none."""
    return [pick.item_no for pick in picks if pick.rung is Rung.SESSION and pick.score is not None]


def test_a_visit_is_answered_by_the_rows_of_its_items(build: Build) -> None:
    picks = rank(build(), RankingRequest(n=4, session=seen(1, 4)))
    older = np.exp(-1)
    assert [pick.item_no for pick in picks] == [6, 2, 3, 5]
    assert [pick.score for pick in picks] == pytest.approx([2, 0.25 + older, 0.5 * older, 0.25 * older])
    assert {pick.rung for pick in picks} == {Rung.SESSION}


def test_the_reason_is_the_item_that_adds_most(build: Build) -> None:
    picks = rank(build(), RankingRequest(n=4, session=seen(1, 4)))
    assert [pick.cause for pick in picks] == [
        (Reason.SIMILAR_TO, 4),
        (Reason.SIMILAR_TO, 1),
        (Reason.SIMILAR_TO, 1),
        (Reason.SIMILAR_TO, 1),
    ]


def test_a_basket_has_links_of_its_own(build: Build) -> None:
    picks = rank(build(), RankingRequest(n=1, session=seen(1, kind=EventType.CART)))
    assert [(pick.item_no, pick.cause) for pick in picks] == [(7, (Reason.IN_YOUR_BASKET, 1))]
    beside_a_page = rank(build(places=("basket",)), RankingRequest(n=1, session=seen(1, kind=EventType.CART), page=4))
    assert linked(beside_a_page) != [7], "on a product's page it is a visit"


def test_the_open_page_is_the_latest_item_of_the_visit(build: Build) -> None:
    assert linked(rank(build(), RankingRequest(n=1, session=seen(1), page=4))) == [6]


def test_behind_the_links_comes_the_model(build: Build) -> None:
    picks = rank(build(), RankingRequest(n=6, session=seen(4)))
    assert linked(picks) == [6, 2]
    assert [(pick.rung, pick.score) for pick in picks[2:]] == [(Rung.SESSION, None)] * 4
    assert len({pick.item_no for pick in picks}) == 6
    assert 4 not in {pick.item_no for pick in picks}


def test_what_is_hidden_filtered_or_sold_out_is_left_out(build: Build) -> None:
    bundle = build(available=[number != 6 for number in range(N)])
    assert linked(rank(bundle, RankingRequest(n=9, session=seen(1, 4)))) == [2, 3, 5]
    hidden = RankingRequest(n=9, session=seen(1, 4), hide=np.array([2], np.int32))
    assert linked(rank(bundle, hidden)) == [3, 5]
    only = RankingRequest(n=9, session=seen(1, 4), wanted=Filter(categories=("c2",)))
    assert linked(rank(bundle, only)) == [2, 5]


def test_variety_and_promotions_hold_for_links(build: Build) -> None:
    session = seen(1, 4)
    one_each = RankingRequest(n=3, session=session, variety=Variety(max_per_category=1))
    assert linked(rank(build(), one_each)) == [6, 2], "items 3 and 6 share a category, 2 and 5 do too"
    promoted = RankingRequest(n=2, session=session, promotions=(Promotion("category", "c2", 50.0),))
    assert linked(rank(build(), promoted))[0] == 2


def test_known_people_and_pages_without_a_visit_are_answered_by_the_model(build: Build) -> None:
    bundle = build()
    person = bundle.find_person(ADA)
    assert {pick.rung for pick in rank(bundle, RankingRequest(n=3, person=person, session=seen(1)))} == {Rung.PERSONAL}
    assert Rung.SESSION not in {pick.rung for pick in rank(bundle, RankingRequest(n=3, page=4))}


def test_a_bundle_without_links_is_answered_by_the_model(build: Build) -> None:
    bundle = build(links={}, places=())
    assert bundle.linked(Place.VISIT) is None
    assert all(pick.score for pick in rank(bundle, RankingRequest(n=3, session=seen(1))))


def test_of_an_item_the_newest_layer_with_a_row_counts(build: Build) -> None:
    goods = Goods([N], np.array([[1, 0]], np.float32))
    rows = item_links({4: {3: 1.0, N: 3.0}, N: {1: 1.0}})
    bundle = build(delta={"goods": goods, "links": {"visit": rows}})
    assert linked(rank(bundle, RankingRequest(n=2, session=seen(4)))) == [N, 3]
    assert linked(rank(bundle, RankingRequest(n=1, session=seen(N)))) == [1]
    assert linked(rank(bundle, RankingRequest(n=1, session=seen(1)))) == [2]


@pytest.mark.parametrize(
    ("rows", "said"),
    [({1: {N: 1.0}}, "links lead to item numbers that are not below 12"), ({1: {2: -1.0}}, "finite and above 0")],
)
def test_damaged_links_are_refused_by_name(build: Build, rows: dict[int, dict[int, float]], said: str) -> None:
    with pytest.raises(CorruptError, match=f"links_visit of layer l0: .*{said}"):
        build(links={"visit": rows}, places=("visit",))


def test_a_model_beside_whose_links_are_not_there_is_refused(build: Build) -> None:
    with pytest.raises(CorruptError, match="has a model for basket, but no links of it"):
        build(links={"visit": VISIT})


@pytest.mark.parametrize("memory", [1.0, 4.0, 1e9])
@pytest.mark.parametrize("seed", range(10))
def test_served_scores_are_those_that_were_judged(seed: int, memory: float) -> None:
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((6, 6)) < 0.4, rng.choice([0.25, 1.0, 2.0], (6, 6)), 0)
    rows = {item: {int(other): row[other] for other in np.flatnonzero(row)} for item, row in enumerate(dense)}
    visit = rng.integers(0, 6, rng.integers(1, 45)).tolist()
    links = item_links(rows)
    artifact = Artifact(
        family="cooccurrence",
        params={},
        item_ids=tuple("abcdef"),
        item_vectors=np.empty((6, 0), np.float32),
        user_keys=np.empty((0, 2), np.uint64),
        user_vectors=np.empty((0, 0), np.float32),
        encoder="links",
        encoder_params={"memory": memory, "own": 0.0},
        encoder_arrays={
            "link_nos": links.nos,
            "link_offsets": links.offsets,
            "link_items": links.items,
            "link_weights": links.weights,
        },
    )
    items = np.array(visit, np.int32)
    ((_, judged),) = scores_of_links(artifact, np.array([0, len(visit)]), items)
    served = LinkedItems([links], model_info(0, "links", encoder_params={"memory": memory})).of(items)
    scores = np.zeros(6, np.float32)
    scores[served.item_nos] = served.scores
    np.testing.assert_allclose(scores, judged.toarray()[0], rtol=1e-5)


def test_the_stages_of_an_answer_of_links_are_timed(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Stage] = []
    monkeypatch.setattr(StageTimer, "end", lambda _, stage: ended.append(stage))
    rank(build(), RankingRequest(n=2, session=(SessionItem(1, EventType.VIEW),)), StageTimer())
    assert ended == [Stage.FILTER, Stage.ENCODE, Stage.SEARCH, Stage.RANK]
