"""The measure of similar items: which questions it asks, and how it ranks, held against loops over the events."""

from __future__ import annotations

import math

import numpy as np
import pytest

from common.evaluation import similar
from common.evaluation.similar import (
    INSTEAD_DAYS,
    Instead,
    SimilarQuestions,
    judge_similar,
    share_of_group,
    similar_questions,
)
from common.evaluation.split import Fold
from common.schemas.data import DAY_S, F32, I64, EventType
from tests.shops import NOON, Event, interactions

CUT = 100
ITEMS = ("jam1", "jam2", "jam3", "tea1", "tea2", "loose")
GROUPS = np.array([0, 0, 0, 1, 1, -1])


def fold_of(events: list[Event]) -> Fold:
    data = interactions(events, ITEMS)
    assert data.item_ids == ("jam1", "jam2", "jam3", "loose", "tea1", "tea2")
    cut_s = NOON + CUT * DAY_S
    return Fold(cut_s, data.where(data.ts < cut_s), data.where(data.ts >= cut_s))


GROUP_OF_CODE = np.array([0, 0, 0, -1, 1, 1])


def asked(events: list[Event]) -> set[tuple[int, str, str]]:
    fold = fold_of(events)
    questions = similar_questions(fold, GROUP_OF_CODE, seed=1)
    if questions is None:
        return set()
    ids = fold.past.item_ids
    return {
        (int(questions.asked[row]), ids[questions.items[row]], ids[target])
        for row in range(len(questions))
        for target in questions.targets[questions.offsets[row] : questions.offsets[row + 1]]
    }


def test_what_was_bought_instead_is_of_the_category_and_of_another_basket() -> None:
    events = [
        Event("ann", "jam1", CUT - 5, order=1),
        Event("ann", "jam2", CUT + 1, order=2),
        Event("ann", "tea1", CUT + 1, order=2),
        Event("ann", "loose", CUT + 1, order=2),
    ]
    assert asked(events) == {(0, "jam1", "jam2")}


@pytest.mark.parametrize(
    "events",
    [
        [Event("ann", "jam1", CUT - INSTEAD_DAYS), Event("ann", "jam2", CUT + 1)],
        [Event("ann", "jam1", CUT - 9), Event("ann", "jam2", CUT - 1), Event("ann", "tea1", CUT + 1)],
        [Event("ann", "jam1", CUT + 1, order=1), Event("ann", "jam2", CUT + 1.01, order=1)],
        [Event("ann", "jam1", CUT - 1), *(Event("ann", item, CUT + 1, order=3) for item in ("jam1", "jam2"))],
        [*(Event("ann", item, CUT - 1, order=3) for item in ("jam1", "jam2")), Event("ann", "jam2", CUT + 1)],
        [Event("ann", "jam1", CUT - 1), Event("ben", "jam2", CUT + 1)],
        [Event(None, "jam1", CUT - 1, order=1), Event(None, "jam2", CUT + 1, order=2)],
        [Event("ann", "jam1", CUT - 1), Event("ann", "jam2", CUT + 1, EventType.RETURN)],
        [Event("ann", "loose", CUT - 1), Event("ann", "loose", CUT + 1)],
    ],
    ids=["too late", "before the cut", "one basket", "beside it", "bought with it", "another", "guest", "back", "bare"],
)
def test_what_is_not_bought_instead(events: list[Event]) -> None:
    assert asked(events) == set()


def test_both_purchases_may_be_after_the_cut() -> None:
    assert asked([Event("ann", "jam1", CUT + 1), Event("ann", "jam2", CUT + 3), Event("x", "jam1", 1)]) == {
        (0, "jam1", "jam2")
    }


def test_in_a_shop_with_views_the_next_item_of_a_visit_is_asked_for() -> None:
    events = [
        Event("ann", "jam1", CUT - 5),
        Event("ann", "jam2", CUT + 1),
        Event("ben", "jam1", CUT + 1, EventType.VIEW),
        Event("ben", "jam1", CUT + 1.1, EventType.VIEW),
        Event("ben", "jam3", CUT + 1.2, EventType.VIEW),
        Event("ben", "tea1", CUT + 1.3, EventType.VIEW),
    ]
    questions = similar_questions(fold_of(events), GROUP_OF_CODE, seed=1)
    assert questions is not None
    assert questions.what is Instead.NEXT_VIEWED
    assert asked(events) == {(0, "jam1", "jam3")}


def test_a_person_is_asked_a_bounded_number_of_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "MAX_QUESTIONS", 2)
    monkeypatch.setattr(similar, "MAX_PEOPLE", 3)
    events = [
        Event(f"p{person}", item, CUT + place + 1)
        for person in range(5)
        for place, item in enumerate(("jam1", "jam2", "jam3", "jam1"))
    ]
    found = [similar_questions(fold_of([*events, Event("x", "jam1", 1)]), GROUP_OF_CODE, seed=1) for _ in range(2)]
    assert found[0] is not None
    assert found[1] is not None
    assert np.bincount(found[0].asked).tolist() == [2, 2, 2]
    assert found[0].items.tolist() == found[1].items.tolist()


def questions(items: list[int], targets: list[list[int]], people: list[int], groups: I64) -> SimilarQuestions:
    offsets = np.cumsum([0, *map(len, targets)])
    return SimilarQuestions(
        Instead.INTERCHANGE,
        groups,
        np.array(items),
        offsets,
        np.concatenate(targets).astype(np.int64),
        np.array(people),
    )


def test_figures_are_those_of_loops_over_the_ranks() -> None:
    rng = np.random.default_rng(7)
    groups = rng.integers(0, 3, 60)
    # Few different values, so that there are ties.
    table = rng.integers(0, 6, (60, 60)).astype(np.float32)
    table[rng.random((60, 60)) < 0.2] = -np.inf
    items = rng.integers(0, 60, 40).tolist()
    targets = []
    for item in items:
        others = [code for code in range(60) if groups[code] == groups[item] and code != item]
        targets.append(sorted(rng.choice(others, rng.integers(1, 4), replace=False).tolist()))
    people = sorted(rng.integers(0, 9, 40).tolist())
    people = np.unique(people, return_inverse=True)[1].tolist()
    judged = judge_similar(lambda rows, others: table[np.ix_(rows, others)], questions(items, targets, people, groups))
    of_person: dict[int, list[float]] = {}
    for item, wanted, person in zip(items, targets, people, strict=True):
        others = [code for code in range(60) if groups[code] == groups[item] and code != item]
        # What did not come instead stands first among equals.
        ranked = sorted(others, key=lambda code: (-table[item, code], code in wanted))
        found = [rank for rank, code in enumerate(ranked[:10]) if code in wanted and table[item, code] > -np.inf]
        ideal = sum(1 / math.log2(rank + 2) for rank in range(len(wanted)))
        of_person.setdefault(person, []).append(sum(1 / math.log2(rank + 2) for rank in found) / ideal)
    assert judged.primary == pytest.approx([np.mean(values) for _, values in sorted(of_person.items())])


def test_the_first_place_gives_one_and_nothing_known_gives_nothing() -> None:
    groups = np.zeros(30, dtype=np.int64)
    asked_of = questions([0], [[7]], [0], groups)
    right = judge_similar(lambda _rows, others: (others == 7).astype(np.float32)[None], asked_of)
    assert right.metrics == {"ndcg@10": 1.0, "hit_rate@5": 1.0, "mrr@10": 1.0, "people": 1.0, "questions": 1.0}
    blind = judge_similar(lambda rows, others: np.zeros((len(rows), len(others)), np.float32), asked_of)
    assert blind.metrics["ndcg@10"] == 0
    itself: F32 = np.zeros((1, 30), dtype=np.float32)
    itself[0, :2] = 9, 5
    second = judge_similar(lambda _rows, _others: itself, questions([0], [[1]], [0], groups))
    assert second.metrics["ndcg@10"] == 1.0, "the item itself is not ranked"


def test_the_share_is_counted_where_the_category_has_enough() -> None:
    groups = np.array([0] * 6 + [1] * 5 + [-1])
    lists = np.full((12, 5), -1, dtype=np.int32)
    lists[0] = 1, 2, 3, 4, 6
    lists[1] = 0, 2, 3, 4, 5
    lists[2] = 0, -1, -1, -1, -1
    everything = np.ones(12, dtype=np.bool_)
    assert share_of_group(lists, groups, everything)[:3].tolist() == [0.8, 1.0, 0.2]
    assert len(share_of_group(lists, groups, everything)) == 6, "the five of the second category have four others"
    assert share_of_group(lists, groups, everything, np.array([2, 7, 11])).tolist() == [0.2]
    without_one = everything.copy()
    without_one[5] = False
    assert share_of_group(lists, groups, without_one, np.arange(5)).tolist() == []
    assert len(share_of_group(lists, groups, without_one)) == 1, "the item that is not shown has five others"


def test_a_group_that_is_the_whole_shop_is_asked_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three items are ranked for each question about a jam."""
    events = [
        Event(f"u{number}", jam, CUT + day, order=2 * number + (day > 0))
        for number in range(9)
        for day, jam in ((-5, "jam1"), (1, "jam2"))
    ]
    assert len(asked(events)) == 9
    monkeypatch.setattr(similar, "MAX_CELLS", 15)
    assert len(asked(events)) == 5
    monkeypatch.setattr(similar, "MAX_CELLS", 1)
    assert len(asked(events)) == 1
