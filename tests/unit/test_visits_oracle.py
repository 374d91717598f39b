"""Questions of visits and baskets, and the answers to them, against loops over events and ranks.

The oracle reads the columns of the window one event at a time, and has no code in common with what it is held against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import exp, log2

import numpy as np
import pytest

from common.evaluation import links, ranking, visits
from common.evaluation.baselines.lift import SHRINKAGE, fit_lift
from common.evaluation.links import scores_of_links
from common.evaluation.split import Fold
from common.evaluation.visits import MAX_BASKET, Questions, judge_visits, questions_of
from common.models.artifact import Array, Artifact
from common.models.base import FitOptions, TrainingData
from common.models.sessions import SESSION_GAP_S
from common.schemas.data import EVENT_TYPES, F32, NO_USER, EventType, Interactions
from common.schemas.links import RECENT, Place
from tests.shops import NOON
from tests.unit.test_visits import of_links

ITEMS = 90
UNSOLD = 6
"""Items of the end of the catalogue, which have no event before the cut."""

VIEW, PURCHASE = EVENT_TYPES.index(EventType.VIEW), EVENT_TYPES.index(EventType.PURCHASE)

Asked = tuple[int, list[int], int]
"""Number of the visit among all, the items that are given, and the one that is asked for."""


def make_fold(seed: int, visits: int = 60) -> Fold:
    """Visits and orders of 12 people and of nobody, some of a session that the shop names. The first is a visit and the
    second a basket, each longer than a question can be; of the third, a basket, nothing is known."""
    rng = np.random.default_rng(seed)
    rows = [(NOON + step, 3, item, VIEW, -1, 0) for step, item in enumerate(_sold(rng)[: RECENT + 9])]
    rows += [(NOON + 1, 4, item, PURCHASE, 1, -1) for item in _sold(rng)[: RECENT + 9]]
    rows += [(NOON + 2, 5, item, PURCHASE, 2, -1) for item in (ITEMS - 1, ITEMS - 2)]
    for number in range(3, visits):
        user, kind = int(rng.integers(-1, 12)), rng.integers(0, 5)
        start = NOON + int(rng.integers(0, 8 * 86_400))
        at_once, bought = rng.random(2) < (0.5, 0.4)
        order, session = number if kind in (1, 2) else -1, number if kind in (2, 3) else -1
        for step, item in enumerate(rng.integers(0, ITEMS, rng.integers(1, 7)).tolist()):
            ts = start if at_once else start + step * int(rng.choice([0, 60, SESSION_GAP_S, SESSION_GAP_S + 1]))
            rows.append((ts, user, item, PURCHASE if bought else int(rng.integers(0, 4)), order, session))
    past = [(NOON - 9_999 + place, place % 12, item, PURCHASE, -1, -1) for place, item in enumerate(_sold(rng))]
    return Fold(NOON, _columns(past), _columns(sorted(rows, key=lambda row: row[0])))


def _sold(rng: np.random.Generator) -> list[int]:
    """The items that were sold before the cut, in any order."""
    sold: list[int] = rng.permutation(ITEMS - UNSOLD).tolist()
    return sold


def _columns(rows: list[tuple[int, int, int, int, int, int]]) -> Interactions:
    ts, users, items, kinds, orders, sessions = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Interactions(
        user_keys=np.array([(0, user) for user in range(12)], dtype=np.uint64),
        item_ids=tuple(f"i{item:02}" for item in range(ITEMS)),
        users=users.astype(np.int32),
        items=items.astype(np.int32),
        ts=ts,
        qty=np.ones(len(rows), np.float32),
        event_types=kinds.astype(np.int8),
        orders=orders,
        sessions=sessions,
        prices=np.full(len(rows), np.nan, np.float32),
    )


def expected_questions(fold: Fold, place: Place) -> list[Asked]:
    known = set(fold.past.items.tolist())
    ask = next_items if place is Place.VISIT else other_lines
    groups = [group for group in groups_of(fold.future, place) if len(group) > 1]
    asked = [(number, *question) for number, group in enumerate(groups) for question in ask(group)]
    return [(number, given, target) for number, given, target in asked if known & set(given)]


def groups_of(data: Interactions, place: Place) -> list[list[tuple[int, int]]]:
    """Moment and item of each event, by visit or by basket, in the order in which these begin."""
    groups: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    latest: dict[int, int] = {}
    pauses: dict[int, int] = {}
    columns = (data.ts, data.users, data.items, data.event_types, data.orders, data.sessions)
    for ts, user, item, kind, order, session in zip(*(column.tolist() for column in columns), strict=True):
        likes = (EventType.PURCHASE,) if place is Place.BASKET else set(EventType) - {EventType.RETURN}
        named = session >= 0 and place is Place.VISIT
        if EVENT_TYPES[kind] not in likes or (user == NO_USER and order < 0 and not named):
            continue
        pauses[user] = pauses.get(user, 0) + (ts - latest.get(user, ts) > SESSION_GAP_S)
        latest[user] = ts
        own = ("order", order, 0) if order >= 0 else ("pause", user, pauses[user])
        groups.setdefault(("session", session, 0) if named else own, []).append((ts, item))
    return list(groups.values())


def next_items(visit: list[tuple[int, int]]) -> Iterator[tuple[list[int], int]]:
    for at, (ts, item) in enumerate(visit):
        before = [other for _, other in visit[:at]]
        if at and ts > visit[at - 1][0] and item not in before:
            yield before[-RECENT:], item


def other_lines(basket: list[tuple[int, int]]) -> Iterator[tuple[list[int], int]]:
    lines = list(dict.fromkeys(item for _, item in basket))
    for line in lines[:MAX_BASKET] if len(lines) > 1 else []:
        yield [other for other in lines if other != line][-RECENT:], line


def as_asked(questions: Questions) -> list[Asked]:
    spans = zip(questions.visits, questions.offsets, questions.offsets[1:], questions.targets, strict=False)
    return [(int(v), questions.given[start:end].tolist(), int(target)) for v, start, end, target in spans]


def renumbered(asked: list[Asked]) -> list[Asked]:
    """With visits numbered without gaps."""
    numbers = sorted({number for number, _, _ in asked})
    return [(numbers.index(number), given, target) for number, given, target in asked]


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_questions_are_those_that_loops_over_the_events_find(place: Place, seed: int) -> None:
    fold = make_fold(seed)
    wanted = expected_questions(fold, place)
    questions = questions_of(place, fold, 0)
    assert questions is not None
    assert max(len(given) for _, given, _ in wanted) == RECENT
    assert wanted != renumbered(wanted), "some ask nothing"
    assert as_asked(questions) == renumbered(wanted)
    assert (questions.place, questions.fold, len(questions)) == (place, fold, len(wanted))
    columns = (questions.offsets, questions.given, questions.targets, questions.visits)
    assert [column.dtype for column in columns] == [np.int64, np.int32, np.int32, np.int64]


def test_of_many_visits_a_sample_is_asked_about_that_the_seed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = make_fold(1)
    of_visit: dict[int, list[tuple[list[int], int]]] = {}
    for number, given, target in expected_questions(fold, Place.BASKET):
        of_visit.setdefault(number, []).append((given, target))
    monkeypatch.setattr(visits, "MAX_VISITS", 9)
    samples = []
    for seed in (1, 1, 2, 3):
        questions = questions_of(Place.BASKET, fold, seed)
        assert questions is not None
        found: dict[int, list[tuple[list[int], int]]] = {}
        for number, given, target in as_asked(questions):
            found.setdefault(number, []).append((given, target))
        assert 0 < len(found) <= 9
        places = [list(of_visit.values()).index(asked) for asked in found.values()]
        assert places == sorted(set(places)), "whole visits, each once, in their order"
        samples.append(places)
    assert samples[0] == samples[1]
    assert samples[1] != samples[2] != samples[3]


def make_links(rng: np.random.Generator, memory: float, own: float) -> Artifact:
    """Some items without links, some that were never sold, and not all that were."""
    ids = [f"i{item:02}" for item in rng.permutation(ITEMS)[:70]] + ["never sold"]
    nos = sorted(rng.choice(len(ids), 60, replace=False).tolist())
    rows = {
        ids[no]: {item: 0.01 + rng.random() for item in rng.choice(ids, rng.integers(1, 40), replace=False).tolist()}
        for no in nos
    }
    return of_links(rows, ids, memory, own)


def linked_scores(artifact: Artifact, given: list[int], own: float) -> dict[int, float]:
    """The score of each item, by rows of the artifact: later items count more, and only the latest."""
    scores: dict[int, float] = {}
    assert artifact.links is not None
    for steps_back, item in enumerate(given[::-1][:RECENT]):
        weight = exp(-steps_back / artifact.encoder_params["memory"])
        span = artifact.links.span(item)
        if span is not None:
            row = dict(zip(artifact.links.items[span].tolist(), artifact.links.weights[span].tolist(), strict=True))
            for other, gain in [*row.items(), (item, own * sum(row.values()))]:
                scores[other] = scores.get(other, 0.0) + weight * gain
    return {item: score for item, score in scores.items() if score > 0}


@pytest.mark.parametrize("own", [0.0, 0.2])
@pytest.mark.parametrize("memory", [3.0, 1e9])
def test_scores_of_links_are_sums_over_the_items_of_a_visit(
    own: float, memory: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of four visits, the last of which has one; one visit is longer than what counts, one is empty."""
    monkeypatch.setattr(links, "VISITS_AT_ONCE", 4)
    rng = np.random.default_rng(5)
    artifact = make_links(rng, memory, 0.2)
    asked = [rng.integers(0, 71, length).tolist() for length in (2, 0, RECENT + 8, 1, 5, 3, 1, 4, 2)]
    offsets = np.cumsum([0, *map(len, asked)])
    items = np.array([item for visit in asked for item in visit])
    blocks = list(
        scores_of_links(artifact, offsets, items, own=True) if own else scores_of_links(artifact, offsets, items)
    )
    assert [(part.start, part.stop) for part, _ in blocks] == [(0, 4), (4, 8), (8, 9)]
    for part, scores in blocks:
        assert scores.dtype == np.float32
        assert scores.shape == (part.stop - part.start, 71)
        for visit, found in zip(asked[part], scores.toarray(), strict=True):
            wanted = linked_scores(artifact, visit, own)
            assert {item: score for item, score in enumerate(found.tolist()) if score} == pytest.approx(
                wanted, rel=1e-4
            )


def expected_figures(artifact: Artifact, asked: list[Asked], scores: list[dict[int, float]]) -> tuple[float, ...]:
    """NDCG@10, hit rate and reciprocal rank of the first 20, and the number of visits; of each visit its mean."""
    by_visit: dict[int, list[tuple[float, float, float]]] = {}
    for (number, given, target), own in zip(asked, scores, strict=True):
        shown = {artifact.item_ids[item]: score for item, score in own.items()}
        for item in given:
            shown.pop(f"i{item:02}", None)
        order = sorted(shown, key=lambda item: -shown[item])
        rank = 1 + order.index(f"i{target:02}") if f"i{target:02}" in order else 99
        figures = (1 / log2(rank + 1) * (rank <= 10), float(rank <= 20), 1 / rank * (rank <= 20))
        by_visit.setdefault(number, []).append(figures)
    means = np.array([np.mean(figures, axis=0) for figures in by_visit.values()])
    return (*means.mean(axis=0).tolist(), float(len(means)))


def given_rows(artifact: Artifact, given: list[int]) -> list[int]:
    ids = [f"i{item:02}" for item in given]
    return [artifact.item_ids.index(item) for item in ids if item in artifact.item_ids]


@pytest.mark.parametrize("place", Place)
def test_every_figure_of_links_is_as_worked_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "VISITS_AT_ONCE", 7)
    artifact = make_links(np.random.default_rng(6), 3.0, 0.2)
    questions = questions_of(place, make_fold(1), 0)
    assert questions is not None
    asked = as_asked(questions)
    rows = [given_rows(artifact, given) for _, given, _ in asked]
    assert any(0 in given for given in rows)
    scores = [linked_scores(artifact, given, 0.0) for given in rows]
    judged = judge_visits(artifact, questions, None)
    assert list(judged.metrics) == ["ndcg@10", "hit_rate@20", "mrr@20", "visits"]
    assert tuple(judged.metrics.values()) == pytest.approx(expected_figures(artifact, asked, scores), abs=1e-9)
    assert judged.primary.mean() == pytest.approx(judged.metrics["ndcg@10"])
    assert len(judged.primary) == judged.metrics["visits"]


def weighted_sum(vectors: F32, weights: F32, arrays: Mapping[str, Array], params: Mapping[str, float]) -> F32:
    """An encoder for which weights, order and both of its parameters make a difference."""
    assert vectors.dtype == weights.dtype == np.float32
    assert len(vectors) == len(weights)
    decay = params["decay"] ** np.arange(len(vectors))[::-1]
    return np.asarray(arrays["start"], np.float32) + ((decay * weights) @ vectors).astype(np.float32)


@pytest.mark.parametrize("params", [{}, {"weighting": {"view": 0.05, "cart": 3.0}}])
@pytest.mark.parametrize("place", Place)
def test_every_figure_of_vectors_is_as_worked_out(
    place: Place, params: dict[str, dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of seven questions."""
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 4 * 7 * 71)
    rng = np.random.default_rng(4)
    links = make_links(rng, 3.0, 0.2)
    artifact = replace(
        links,
        family="als",
        params=params,
        item_vectors=rng.standard_normal((71, 5)).astype(np.float32),
        user_vectors=np.empty((0, 5), np.float32),
        encoder="weighted sum",
        encoder_params={"decay": 0.7},
        encoder_arrays={"start": np.ones(5, np.float32)},
    )
    questions = questions_of(place, make_fold(1), 0)
    assert questions is not None
    asked = as_asked(questions)
    weight = params.get("weighting", {"view": 0.2, "cart": 0.5})["view" if place is Place.VISIT else "cart"]
    scores = []
    for _, given, _ in asked:
        query = np.ones(5, dtype=np.float64)
        for steps_back, row in enumerate(given_rows(artifact, given)[::-1]):
            query += 0.7**steps_back * weight * artifact.item_vectors[row].astype(np.float64)
        scores.append(dict(enumerate((artifact.item_vectors @ query).tolist())))
    judged = judge_visits(artifact, questions, weighted_sum)
    assert tuple(judged.metrics.values()) == pytest.approx(expected_figures(artifact, asked, scores), abs=1e-9)


def test_lift_of_every_pair_is_as_worked_out_and_the_best_of_an_item_are_kept() -> None:
    """Baskets in which item 0 meets more others than an item may have links, one of them as long as a long receipt."""
    rng = np.random.default_rng(6)
    baskets = [
        [0, *rng.choice(np.arange(1, 80), size, replace=False).tolist()] for size in [24, *rng.integers(1, 7, 90)]
    ]
    rows = [(NOON + order, order % 12, item, 0, order, -1) for order, basket in enumerate(baskets) for item in basket]
    lift = fit_lift(TrainingData(_columns(rows)), FitOptions(1, 1, NOON))
    counts = np.zeros((ITEMS, ITEMS))
    for basket in baskets:
        for item in basket:
            counts[item, [other for other in basket if other != item]] += 1
    together = counts.sum(axis=1)
    wanted = counts / (np.outer(together, together) / counts.sum() + SHRINKAGE)
    chance = counts[0, 1:] / np.maximum(together[1:], 1)
    assert lift.links is not None
    assert lift.encoder_params["memory"] == 1e9
    assert (chance > 0).sum() > 50
    for no, item_id in enumerate(lift.item_ids):
        span = lift.links.span(no)
        assert span is not None
        others = [int(lift.item_ids[other][1:]) for other in lift.links.items[span]]
        assert lift.links.weights[span] == pytest.approx(wanted[int(item_id[1:]), others], rel=1e-5)
        assert lift.links.weights.dtype == np.float32
        if item_id == "i00":
            left = sorted(set(range(1, ITEMS)) - set(others))
            assert len(others) == 50
            assert min(chance[np.array(others) - 1]) >= max(chance[np.array(left) - 1])
        else:
            assert sorted(others) == np.flatnonzero(counts[int(item_id[1:])]).tolist()
