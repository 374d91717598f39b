from __future__ import annotations

import time

import numpy as np
import pytest

from common.errors import RefusedError
from common.evaluation.baselines import BASELINES, ease
from common.evaluation.baselines.base import Baseline, judge_baseline
from common.evaluation.baselines.ease import EASE
from common.evaluation.baselines.item_knn import ItemKNN
from common.evaluation.baselines.latest_session import LatestSession
from common.evaluation.baselines.own_frequent import OwnFrequent
from common.evaluation.baselines.recent_popular import RecentPopular
from common.evaluation.baselines.vs_knn import VSKNN
from common.evaluation.cases import Relevance, make_cases
from common.evaluation.split import Fold
from common.models.sessions import Sequences
from common.schemas.data import DAY_S, Interactions
from tests.shops import NOON, Event, checkerboard, interactions


def fold(data: Interactions, day: float) -> Fold:
    cut_s = NOON + int(day * DAY_S)
    return Fold(cut_s, data.where(data.ts < cut_s), data.where(data.ts >= cut_s))


def ranked(baseline: Baseline, data: Interactions, user: int) -> list[str]:
    scores = baseline.scores(np.array([user]))[0]
    return [data.item_ids[item] for item in np.argsort(-scores, kind="stable") if scores[item] > -np.inf]


def test_popular_counts_people_of_the_last_four_weeks() -> None:
    data = interactions(
        [
            *(Event(user, "old", 1) for user in "abcd"),
            *(Event(user, "new", 50) for user in "ab"),
            *(Event("c", "often", 50 + day) for day in range(9)),
        ],
        items=["never sold"],
    )
    assert ranked(RecentPopular(fold(data, 61)), data, 1) == ["new", "often", "old"]


def test_ones_own_items_come_by_frequency_and_others_fill_up() -> None:
    own = [Event("a", item, day) for day, item in enumerate(["x", "y", "y", "rare"])]
    others = [
        Event(f"b{number}", item, 10) for item, people in {"p": 9, "q": 3, "x": 2}.items() for number in range(people)
    ]
    data = interactions([*own, *others])
    assert ranked(OwnFrequent(fold(data, 20)), data, 0) == ["y", "x", "rare", "p", "q"]


@pytest.mark.parametrize("baseline", [ItemKNN, EASE])
def test_the_withheld_item_of_a_checkerboard_comes_first(baseline: type[Baseline]) -> None:
    data = checkerboard(20)
    scores = baseline(fold(data, 99)).scores(np.arange(20))
    scores[data.users, data.items] = -np.inf
    assert scores.argmax(axis=1).tolist() == list(range(20))


def test_item_similarities_are_shrunk_cosines() -> None:
    data = interactions(
        [Event(user, item) for user, items in {"a": "xy", "b": "xy", "c": "xz"}.items() for item in items]
    )
    scores = ItemKNN(fold(data, 1)).scores(np.array([2]))[0]
    x_y, x_z = 2 / (np.sqrt(3 * 2) + 10), 1 / (np.sqrt(3 * 1) + 10)
    np.testing.assert_allclose(scores, [x_z, x_y, x_z], rtol=1e-5)


def test_ease_solves_its_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "REGULARIZATION", 2.0)
    data = interactions(
        [Event(user, item) for user, items in {"a": "xy", "b": "xyz", "c": "z"}.items() for item in items]
    )
    taken = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1]], dtype=np.float64)
    inverse = np.linalg.inv(taken.T @ taken + 2 * np.eye(3))
    weights = np.eye(3) - inverse / np.diag(inverse)
    np.testing.assert_allclose(EASE(fold(data, 1)).scores(np.arange(3)), taken @ weights, rtol=1e-4, atol=1e-6)


def test_ease_refuses_a_catalogue_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "MAX_ITEMS", 2)
    with pytest.raises(RefusedError, match="up to 2 items, here are 3"):
        EASE(fold(interactions([Event("a", item) for item in "xyz"]), 1))


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_is_judged_as_the_models_are(baseline: type[Baseline]) -> None:
    rng = np.random.default_rng(1)
    data = interactions(
        Event(f"u{user:02}", f"i{rng.integers(25):02}", basket / 5, qty=1 + line, order=basket)
        for basket, user in enumerate(rng.integers(30, size=300))
        for line in range(3)
    )
    cases = make_cases(fold(data, 50), seed=1)
    judgement = judge_baseline(baseline(cases.fold), cases)
    for relevance in Relevance:
        assert 0 < judgement.metrics[relevance]["ndcg@10"] < 1
        assert len(judgement.primary[relevance]) == judgement.metrics[relevance]["people"]


def test_a_baseline_that_is_not_through_in_time_is_left_out() -> None:
    cases = make_cases(fold(interactions([Event("a", "x"), Event("a", "y", 2)]), 1), seed=1)
    with pytest.raises(RefusedError, match="0 of 1 people when its time was spent"):
        judge_baseline(RecentPopular(cases.fold), cases, deadline=time.monotonic() - 1)


def test_what_cannot_be_broken_off_says_beforehand_how_long_it_takes() -> None:
    small = fold(interactions([Event("a", item) for item in "xyz"]), 1)
    assert {baseline.name for baseline in BASELINES if baseline.least_s(small) > 0} == {"EASE", "item-kNN"}


def test_people_are_shown_what_came_in_sessions_like_their_latest() -> None:
    baskets = {1: ("a", "pq"), 2: ("b", "xy"), 3: ("a", "x"), 4: ("b", "pz")}
    data = interactions(Event(user, item, day, order=day) for day, (user, items) in baskets.items() for item in items)
    # The latest of a is x, which came with y; p is from before.
    assert set(ranked(LatestSession(fold(data, 9)), data, 0)) == {"x", "y"}


class TestVSKNN:
    @staticmethod
    def sessions(*texts: str) -> Sequences:
        items = np.array([ord(item) - ord("a") for item in "".join(texts)], dtype=np.int32)
        return Sequences(np.cumsum([0, *map(len, texts)]), items, np.full(len(texts), -1))

    def test_what_follows_in_like_sessions_comes_first(self) -> None:
        scores = VSKNN(self.sessions("abc", "abc", "xyd", "ae"), 26).scores(np.array([0, 1], dtype=np.int32))
        scores[:2] = 0
        assert [chr(97 + item) for item in np.argsort(-scores)[:2]] == ["c", "e"]
        assert scores[3] == 0

    def test_the_latest_item_of_the_prefix_says_most(self) -> None:
        scores = VSKNN(self.sessions("ac", "bd"), 26).scores(np.array([0, 1], dtype=np.int32))
        assert scores[3] > scores[2] > 0

    def test_a_prefix_that_nobody_knows_says_nothing(self) -> None:
        assert not VSKNN(self.sessions("ab"), 26).scores(np.array([25], dtype=np.int32)).any()
