"""Ranking: which rungs fill an answer, with which reasons, and that it is full while the catalogue lasts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.ids import UserKey
from common.schemas.data import F32, EventType
from common.serving.bundle import ServedBundle
from common.serving.evidence import MAX_CAUSES, Reason, SessionItem
from common.serving.filters import Filter
from common.serving.ranking import Pick, RankingRequest, Rung, rank
from common.serving.stages import Stage, StageTimer
from tests.bundles import Goods, History, item_lists, layer_content, open_layers

ADA, BEN = UserKey(b"a" * 16), UserKey(b"b" * 16)
N = 12
# Even items lie along one axis, odd ones along the other: two tastes.
VECTORS = np.array([[1 + n / 100, 0.01] if n % 2 == 0 else [0.01, 1 + n / 100] for n in range(N)], np.float32)


def numbers(*items: int) -> Any:
    return np.array(items, np.int32)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., ServedBundle]:
    def make(
        encoder: str = "als_fold_in",
        vectors: F32 = VECTORS,
        bought_together: dict[int, list[int]] | None = None,
        **goods: Any,
    ) -> ServedBundle:
        gram = VECTORS.T @ VECTORS + np.eye(2)
        content = layer_content(
            Goods(
                range(N),
                vectors,
                categories=[f"c{number % 3}" for number in range(N)],
                created_at=[1000 + number for number in range(N)],
                **goods,
            ),
            {ADA: History([0, 1, 2], np.array([1, 0], np.float32), [1, 0.2, 3], [True, False, True])}
            if encoder == "als_fold_in"
            else {ADA: History([0])},
            {"gram": gram.astype(np.float32)},
            popular=numbers(5, 4, 3),
            newest=numbers(11, 10),
            popular_by_category={"c1": numbers(4, 10, 1)},
            bought_together=item_lists(bought_together or {}),
        )
        return open_layers([content], tmp_path, encoder=encoder)

    return make


@pytest.fixture
def bundle(build: Callable[..., ServedBundle]) -> ServedBundle:
    return build()


def items_of(picks: list[Pick]) -> list[int]:
    return [pick.item_no for pick in picks]


def rungs_of(picks: list[Pick]) -> list[Rung]:
    return [pick.rung for pick in picks]


def test_a_known_person_gets_their_own(bundle: ServedBundle) -> None:
    picks = rank(bundle, RankingRequest(n=4, person=bundle.find_person(ADA), hide=numbers(0, 2)))
    assert items_of(picks) == [10, 8, 6, 4]
    assert set(rungs_of(picks)) == {Rung.PERSONAL}
    assert {pick.cause for pick in picks} == {(Reason.BECAUSE_YOU_BOUGHT, 2)}
    assert [round(pick.score or 0, 3) for pick in picks] == [1.1, 1.08, 1.06, 1.04]


def test_what_was_bought_is_put_forward_by_how_much_of_it(bundle: ServedBundle) -> None:
    """Ada's scores are 1 + n / 100 for even n, and 0.01 for odd ones."""
    picks = rank(bundle, RankingRequest(n=5, person=bundle.find_person(ADA), boost=0.1))
    assert items_of(picks) == [2, 10, 8, 0, 6]
    scores = [round(pick.score or 0, 3) for pick in picks]
    assert scores == [round(1.02 + 0.1 * np.log(4), 3), 1.1, 1.08, round(1 + 0.1 * np.log(2), 3), 1.06]
    again = {pick.item_no for pick in picks if pick.cause == (Reason.BUY_AGAIN, None)}
    assert again == {0, 2}


def test_what_is_put_forward_is_filtered_like_everything_else(build: Callable[..., ServedBundle]) -> None:
    bundle = build(available=[number != 0 for number in range(N)])
    person = bundle.find_person(ADA)
    assert items_of(rank(bundle, RankingRequest(n=2, person=person, boost=9.0)))[0] == 2
    assert 0 not in items_of(rank(bundle, RankingRequest(n=N, person=person, boost=9.0)))
    assert 2 not in items_of(rank(bundle, RankingRequest(n=N, person=person, boost=9.0, hide=numbers(2))))
    assert 2 not in items_of(rank(bundle, RankingRequest(n=N, person=person, boost=9.0, page=2)))
    shelf = rank(bundle, RankingRequest(n=N, person=person, boost=9.0, wanted=Filter(categories=("c1",))))
    assert set(items_of(shelf)) == {1, 4, 7, 10}
    assert len(items_of(shelf)) == 4


def test_what_was_only_looked_at_was_not_bought(bundle: ServedBundle) -> None:
    person = bundle.find_person(ADA)
    assert person is not None
    looked = person._replace(purchased=np.zeros(3, np.bool_))
    assert {pick.cause.reason for pick in rank(bundle, RankingRequest(n=3, person=looked))} == {Reason.SIMILAR_TO}


def test_a_reason_is_looked_for_among_the_latest(bundle: ServedBundle) -> None:
    person = bundle.find_person(ADA)
    assert person is not None
    items, weights = np.full(MAX_CAUSES + 1, 2, np.int32), np.ones(MAX_CAUSES + 1, np.float32)
    items[0], weights[0] = 0, 100
    long_ago = person._replace(items=items, weights=weights, purchased=np.ones(len(items), np.bool_))
    assert {pick.cause for pick in rank(bundle, RankingRequest(n=2, person=long_ago))} == {
        (Reason.BECAUSE_YOU_BOUGHT, 2)
    }


def test_a_basket_without_a_person_is_a_session(bundle: ServedBundle) -> None:
    session = (SessionItem(1, EventType.VIEW), SessionItem(4, EventType.CART), SessionItem(2, EventType.CART))
    picks = rank(bundle, RankingRequest(n=3, session=session))
    assert set(items_of(picks)) == {10, 8, 6}
    assert set(rungs_of(picks)) == {Rung.SESSION}
    assert {pick.cause for pick in picks} <= {(Reason.IN_YOUR_BASKET, 4), (Reason.IN_YOUR_BASKET, 2)}


def test_a_basket_changes_what_a_person_gets(bundle: ServedBundle) -> None:
    person = bundle.find_person(ADA)
    assert person is not None
    faint = person._replace(weights=person.weights / np.float32(10))
    session = tuple(SessionItem(number, EventType.CART) for number in (3, 5, 7))
    picks = rank(bundle, RankingRequest(n=3, person=faint, session=session))
    assert set(items_of(picks)) == {1, 9, 11}
    assert set(rungs_of(picks)) == {Rung.PERSONAL}
    assert {pick.cause.reason for pick in picks} == {Reason.IN_YOUR_BASKET}


def test_the_page_that_a_person_looks_at_counts_as_a_view(bundle: ServedBundle) -> None:
    person = bundle.find_person(ADA)
    assert person is not None
    picks = rank(bundle, RankingRequest(n=3, person=person._replace(weights=person.weights / np.float32(100)), page=3))
    assert 3 not in items_of(picks)
    assert {(pick.rung, pick.cause) for pick in picks} == {(Rung.PERSONAL, (Reason.SIMILAR_TO, 3))}


def test_a_page_alone_gets_what_is_like_it(bundle: ServedBundle) -> None:
    picks = rank(bundle, RankingRequest(n=5, page=7))
    assert set(items_of(picks)) == {1, 3, 5, 9, 11}
    assert {(pick.rung, pick.cause) for pick in picks} == {(Rung.RELATED, (Reason.SIMILAR_TO, 7))}


def test_a_list_keeps_its_order_and_the_nearest_come_behind(build: Callable[..., ServedBundle]) -> None:
    similar = np.full((N, 3), -1, np.int32)
    similar[7] = [2, 9, 4]
    bundle = build(similar=similar, available=[number != 4 for number in range(N)])
    picks = rank(bundle, RankingRequest(n=4, page=7))
    assert items_of(picks)[:2] == [2, 9]
    assert set(items_of(picks)[2:]) <= {1, 3, 5, 11}
    assert {(pick.rung, pick.cause) for pick in picks} == {(Rung.RELATED, (Reason.SIMILAR_TO, 7))}
    assert [pick.score is None for pick in picks] == [True, True, False, False]
    narrow = rank(bundle, RankingRequest(n=2, page=7, wanted=Filter(categories=("c1",))))
    assert items_of(narrow) == [1, 10]


def test_items_bought_together_with_the_page_come_first_on_request(build: Callable[..., ServedBundle]) -> None:
    bundle = build(bought_together={7: [2, 4, 9]}, available=[number != 2 for number in range(N)])
    picks = rank(bundle, RankingRequest(n=4, page=7, bought_together=True, hide=numbers(11)))
    assert items_of(picks)[:2] == [4, 9]
    assert set(items_of(picks)[2:]) <= {1, 3, 5}
    assert rungs_of(picks) == [Rung.BOUGHT_TOGETHER] * 2 + [Rung.RELATED] * 2
    assert picks[0].cause == (Reason.BOUGHT_TOGETHER, 7)
    assert picks[0].score is None
    assert rungs_of(rank(bundle, RankingRequest(n=4, page=7))) == [Rung.RELATED] * 4
    assert rungs_of(rank(bundle, RankingRequest(n=1, page=8, bought_together=True))) == [Rung.RELATED]


def test_lists_of_what_is_bought_together_need_no_personal_model(build: Callable[..., ServedBundle]) -> None:
    bundle = build("constant", np.ones((N, 1), np.float32), bought_together={7: [2]})
    picks = rank(bundle, RankingRequest(n=2, page=7, bought_together=True))
    assert rungs_of(picks) == [Rung.BOUGHT_TOGETHER, Rung.POPULAR_IN_CATEGORY]


def test_a_page_gets_its_category_then_what_is_popular(build: Callable[..., ServedBundle]) -> None:
    vectors = VECTORS.copy()
    vectors[1] = 0  # like nothing
    picks = rank(build(vectors=vectors), RankingRequest(n=7, page=1))
    assert items_of(picks) == [4, 10, 5, 3, 11, 9, 8]
    assert rungs_of(picks) == [Rung.POPULAR_IN_CATEGORY] * 2 + [Rung.POPULAR] * 2 + [Rung.NEWEST] * 3
    assert [pick.cause.reason for pick in picks[1:6:2]] == [Reason.POPULAR_IN_CATEGORY, Reason.POPULAR, Reason.NEW]


def test_a_session_gets_what_is_like_its_latest_items_first(build: Callable[..., ServedBundle]) -> None:
    """None of them has a vector, so that only their lists tell what is like them."""
    vectors = VECTORS.copy()
    vectors[[1, 4, 6]] = 0
    similar = np.full((N, 1), -1, np.int32)
    similar[[1, 4, 6], 0] = [2, 9, 3]
    session = (SessionItem(6, EventType.VIEW), SessionItem(4, EventType.CART), SessionItem(1, EventType.VIEW))
    picks = rank(build(vectors=vectors, similar=similar), RankingRequest(n=3, session=session))
    assert items_of(picks) == [2, 9, 3]
    assert set(rungs_of(picks)) == {Rung.RELATED}
    assert [pick.cause for pick in picks] == [
        (Reason.SIMILAR_TO, 1),
        (Reason.IN_YOUR_BASKET, 4),
        (Reason.SIMILAR_TO, 6),
    ]


def test_a_new_visitor_gets_what_is_popular_then_what_is_new(bundle: ServedBundle) -> None:
    picks = rank(bundle, RankingRequest(n=6))
    assert items_of(picks) == [5, 4, 3, 11, 10, 9]
    assert [pick.cause for pick in picks] == [(Reason.POPULAR, None)] * 3 + [(Reason.NEW, None)] * 3
    assert rungs_of(picks) == [Rung.POPULAR] * 3 + [Rung.NEWEST] * 3


def test_an_answer_is_full_while_the_catalogue_lasts(bundle: ServedBundle) -> None:
    for request in (
        RankingRequest(n=N + 5),
        RankingRequest(n=N + 5, person=bundle.find_person(ADA)),
        RankingRequest(n=N + 5, page=3),
    ):
        shown = items_of(rank(bundle, request))
        assert sorted(shown) == [number for number in range(N) if number != request.page]


def test_a_filtered_category_gets_its_popular_items(bundle: ServedBundle) -> None:
    picks = rank(bundle, RankingRequest(n=4, wanted=Filter(categories=("c1",))))
    assert items_of(picks) == [4, 10, 1, 7]
    assert rungs_of(picks) == [Rung.POPULAR_IN_CATEGORY] * 3 + [Rung.NEWEST]
    both = rank(bundle, RankingRequest(n=4, wanted=Filter(categories=("c1", "c2"))))
    assert items_of(both) == [5, 4, 11, 10]


def test_what_is_not_available_is_not_shown(build: Callable[..., ServedBundle]) -> None:
    bundle = build(available=[number not in (4, 10) for number in range(N)])
    for request in (
        RankingRequest(n=20),
        RankingRequest(n=20, person=bundle.find_person(ADA)),
        RankingRequest(n=20, page=6),
    ):
        assert not {4, 10} & set(items_of(rank(bundle, request)))
    assert set(items_of(rank(bundle, RankingRequest(n=20, wanted=Filter(available=False))))) == {4, 10}


def test_a_model_with_one_ranking_for_everybody_is_not_personal(build: Callable[..., ServedBundle]) -> None:
    bundle = build(encoder="constant", vectors=np.ones((N, 1), np.float32))
    session = (SessionItem(1, EventType.CART),)
    picks = rank(bundle, RankingRequest(n=4, person=bundle.find_person(ADA), session=session))
    assert items_of(picks) == [4, 10, 5, 3]
    assert rungs_of(picks) == [Rung.POPULAR_IN_CATEGORY] * 2 + [Rung.POPULAR] * 2


def test_a_person_with_only_returns_is_treated_as_new(bundle: ServedBundle) -> None:
    person = bundle.find_person(ADA)
    assert person is not None
    regretful = person._replace(vector=np.zeros(2, np.float32))
    assert rungs_of(rank(bundle, RankingRequest(n=2, person=regretful))) == [Rung.POPULAR, Rung.POPULAR]
    assert bundle.find_person(BEN) is None


def test_every_stage_of_an_answer_is_timed_where_it_ends(bundle: ServedBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Stage] = []
    monkeypatch.setattr(StageTimer, "end", lambda _, stage: ended.append(stage))
    rank(bundle, RankingRequest(n=3, person=bundle.find_person(ADA)), StageTimer())
    assert ended == [Stage.FILTER, Stage.ENCODE, Stage.SEARCH, Stage.RANK]
    ended.clear()
    rank(bundle, RankingRequest(n=3), StageTimer())
    assert ended == [Stage.FILTER, Stage.RANK]
