"""The baselines against their formulas, worked out pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log10, sqrt
from typing import ClassVar

import numpy as np
import pytest

from common.errors import RefusedError
from common.evaluation.baselines import base, ease, item_knn, recent_popular, vs_knn
from common.evaluation.baselines.base import Baseline, judge_baseline
from common.evaluation.baselines.ease import EASE
from common.evaluation.baselines.item_knn import ItemKNN
from common.evaluation.baselines.latest_session import LatestSession
from common.evaluation.baselines.own_frequent import OwnFrequent
from common.evaluation.baselines.recent_popular import RecentPopular
from common.evaluation.baselines.vs_knn import VSKNN
from common.evaluation.cases import make_cases
from common.evaluation.split import Fold
from common.models.sessions import Sequences
from common.schemas.data import DAY_S, F32, I64, EventType, Interactions
from tests.shops import NOON, Event, interactions

PEOPLE, SOLD = 13, 17


def random_fold() -> Fold:
    """The last item of the catalogue and one more were never bought."""
    rng = np.random.default_rng(8)
    lines = {(f"u{rng.integers(PEOPLE):02}", f"i{rng.integers(SOLD):02}") for _ in range(120)}
    data = interactions([Event(user, item) for user, item in sorted(lines)], items=["i03a", "z"])
    return Fold(NOON + DAY_S, data, data.where(data.ts < 0))


def taken(data: Interactions) -> F32:
    found = np.zeros((data.n_users, data.n_items), np.float32)
    found[data.users, data.items] = 1
    return found


@pytest.mark.parametrize("neighbours", [4, 12])
def test_item_knn_keeps_the_nearest_by_shrunk_cosine(neighbours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of five items. Where several are as near as the last one kept, any of them may be kept."""
    monkeypatch.setattr(item_knn, "NEIGHBOURS", neighbours)
    monkeypatch.setattr(item_knn, "_ROWS", 5)
    fold = random_fold()
    own = taken(fold.past)
    n_items = own.shape[1]
    similar = np.zeros((n_items, n_items))
    for one in range(n_items):
        for other in range(n_items):
            if one != other:
                norms = sqrt(max(own[:, one].sum(), 1)) * sqrt(max(own[:, other].sum(), 1))
                similar[one, other] = (own[:, one] @ own[:, other]) / (norms + item_knn.SHRINKAGE)
    assert neighbours < 10 or neighbours in np.count_nonzero(similar, axis=1) + 1
    baseline = ItemKNN(fold)
    kept = np.asarray(baseline._similar.todense())
    for item in range(n_items):
        best = np.sort(similar[item])[::-1][:neighbours]
        np.testing.assert_allclose(np.sort(kept[item])[::-1][:neighbours], best, rtol=1e-5, atol=1e-9)
        places = np.flatnonzero(kept[item])
        assert len(places) <= neighbours
        np.testing.assert_allclose(kept[item, places], similar[item, places], rtol=1e-5)
    np.testing.assert_allclose(baseline.scores(np.arange(fold.past.n_users)), own @ kept, rtol=1e-5)


def test_item_knn_needs_time_by_pairs_of_things_that_one_person_has() -> None:
    fold = random_fold()
    pairs = sum(int(n) ** 2 for n in taken(fold.past).sum(axis=1))
    assert ItemKNN.least_s(fold) == pytest.approx(pairs / item_knn.PAIRS_PER_S)


def test_ease_needs_time_by_the_cube_of_the_items_sold() -> None:
    assert EASE.least_s(random_fold()) == pytest.approx(2 * SOLD**3 / ease.FLOPS)


def test_ease_shows_nothing_that_was_never_sold_and_takes_as_many_items_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fold = random_fold()
    monkeypatch.setattr(ease, "MAX_ITEMS", SOLD)
    scores = EASE(fold).scores(np.arange(PEOPLE))
    unsold = ~taken(fold.past).any(axis=0)
    assert unsold.sum() == 2
    assert np.isneginf(scores[:, unsold]).all()
    assert np.isfinite(scores[:, ~unsold]).all()
    monkeypatch.setattr(ease, "MAX_ITEMS", SOLD - 1)
    with pytest.raises(RefusedError):
        EASE(fold)


class Recorder(Baseline):
    """Everybody is scored by their number; it is written down who was asked for at once."""

    name: ClassVar[str] = "recorder"

    def __init__(self, fold: Fold) -> None:
        self.asked: list[list[int]] = []
        self.n_items = fold.past.n_items

    def scores(self, people: I64) -> F32:
        self.asked.append(people.tolist())
        return np.tile(people[:, np.newaxis].astype(np.float32), (1, self.n_items))


@pytest.mark.parametrize(("bytes_at_once", "step"), [(4 * 7 * 3 + 3, 3), (1, 1)])
def test_people_are_judged_in_blocks_that_fit_into_memory(
    bytes_at_once: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BLOCK_BYTES", bytes_at_once)
    data = interactions([Event(f"u{user}", f"i{(user + day) % 7}", day) for user in range(8) for day in (0, 9)])
    cut_s = NOON + 5 * DAY_S
    cases = make_cases(Fold(cut_s, data.where(data.ts < cut_s), data.where(data.ts >= cut_s)), seed=1)
    recorder = Recorder(cases.fold)
    judge_baseline(recorder, cases)
    assert recorder.asked == [list(range(start, min(start + step, 8))) for start in range(0, 8, step)]


def test_what_was_in_no_similar_session_is_not_shown() -> None:
    data = interactions(
        [Event("a", "x", 1, order=1), Event("b", "x", 2, order=2), Event("b", "y", 2, order=2), Event("c", "z", 3)]
    )
    scores = LatestSession(Fold(NOON + 9 * DAY_S, data, data.where(data.ts < 0))).scores(np.array([0]))[0]
    assert np.isneginf(scores).tolist() == [False, False, True]


def vs_knn_by_hand(sessions: Sequence[Sequence[int]], n_items: int, prefix: Sequence[int]) -> list[float]:
    place = {item: position for position, item in enumerate(prefix, start=1)}
    weight = {item: 1 / (log10(len(prefix) - at + 1.7) + 1) for item, at in place.items()}
    recent = [number for number, items in enumerate(sessions) if set(items) & set(place)][-vs_knn.SAMPLE :]
    similarity = {number: sum(weight[item] for item in set(sessions[number]) & set(place)) for number in recent}
    # `sorted` keeps the older one first where two are as similar.
    nearest = sorted(recent, key=lambda number: -round(similarity[number], 9))[: vs_knn.NEIGHBOURS]
    scores = [0.0] * n_items
    for number in nearest:
        last = max(place[item] for item in set(sessions[number]) & set(place))
        for item in set(sessions[number]):
            idf = log(len(sessions) / sum(item in items for items in sessions))
            scores[item] += similarity[number] * (last / len(prefix)) ** 2 * (1 + vs_knn.IDF_WEIGHT * idf)
    return scores


@pytest.mark.parametrize(("sample", "neighbours"), [(5000, 1000), (60, 25), (9, 4)])
def test_vs_knn_scores_as_its_formulas_say(sample: int, neighbours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vs_knn, "SAMPLE", sample)
    monkeypatch.setattr(vs_knn, "NEIGHBOURS", neighbours)
    rng = np.random.default_rng(6)
    sessions = [rng.integers(0, 12, rng.integers(1, 6)).tolist() for _ in range(150)]
    sessions[40].append(12)
    items = np.array([item for session in sessions for item in session], dtype=np.int32)
    offsets = np.cumsum([0, *map(len, sessions)])
    knn = VSKNN(Sequences(offsets, items, np.full(len(sessions), -1)), 14)
    for prefix in ([3], [1, 2, 1, 4], [12, 5], [0, 13, 7, 7, 9]):
        wanted = vs_knn_by_hand(sessions, 14, prefix)
        np.testing.assert_allclose(knn.scores(np.array(prefix, dtype=np.int32)), wanted, rtol=1e-5)


def test_popular_weighs_events_by_type_from_the_first_second_of_its_weeks_on() -> None:
    """What is older counts next to nothing."""
    on_the_edge = 30.0 - recent_popular.DAYS + 1 / DAY_S
    data = interactions(
        [
            Event("a", "bought", 29),
            Event("a", "viewed", 29, EventType.VIEW),
            Event("b", "edge", on_the_edge),
            Event("b", "too old", on_the_edge - 1 / DAY_S),
            Event("c", "z, too old", 1),
        ]
    )
    fold = Fold(NOON + 30 * DAY_S, data, data.where(data.ts < 0))
    scores = dict(zip(data.item_ids, RecentPopular(fold).scores(np.zeros(1, np.int64))[0].tolist(), strict=True))
    wanted = {"bought": 1, "viewed": 0.2, "edge": 1, "too old": 0, "z, too old": 0}
    assert scores == pytest.approx(wanted, abs=1e-5)
    assert scores["too old"] > scores["z, too old"] > 0


def test_ones_own_items_come_before_what_nobody_bought_for_weeks() -> None:
    data = interactions([Event("a", "x", 0), Event("a", "x", 1), Event("b", "y", 1)])
    scores = OwnFrequent(Fold(NOON + 60 * DAY_S, data, data.where(data.ts < 0))).scores(np.array([0]))[0]
    assert scores.tolist() == pytest.approx([2, 0], abs=1e-5)
    assert scores[1] > 0


def test_ones_own_items_stand_alone_where_nothing_is_popular() -> None:
    data = interactions([Event("a", "x", 1, EventType.RETURN)])
    scores = OwnFrequent(Fold(NOON + 60 * DAY_S, data, data.where(data.ts < 0))).scores(np.array([0]))[0]
    assert scores.tolist() == [-np.inf]
