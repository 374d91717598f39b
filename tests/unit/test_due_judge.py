"""The measure of what is due, against ranks counted by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.evaluation import due
from common.evaluation.due import (
    CHOICES,
    DUE,
    HORIZONS,
    OWN_FREQUENT,
    RIVALS,
    USUAL,
    DueCases,
    DueJudgement,
    choose_due,
    figures_of,
    is_clearly_better,
    judge_due,
    make_due_cases,
    scores_of_due,
    scores_of_rivals,
)
from common.evaluation.split import Fold
from common.schemas.data import DAY_S, EventType
from tests.shops import NOON, Event, interactions

CUT = NOON + 100 * DAY_S
ITEMS = [f"i{number:02}" for number in range(14)]

purchases = st.lists(
    st.builds(
        Event,
        user=st.sampled_from(["a", "b", "c", None]),
        item=st.sampled_from(ITEMS),
        day=st.one_of(st.integers(0, 140).map(float), st.floats(99, 110)),
        kind=st.sampled_from([EventType.PURCHASE] * 8 + [EventType.VIEW, EventType.RETURN]),
    ),
    max_size=80,
)


def fold_of(events: list[Event]) -> Fold:
    data = interactions([*events, *(Event(user, ITEMS[0], -1, EventType.VIEW) for user in "abc")], ITEMS)
    return Fold(CUT, data.where(data.ts < CUT), data.where(data.ts >= CUT))


def cases_of(events: list[Event]) -> DueCases:
    cases = make_due_cases(fold_of(events), None, 1)
    assert cases is not None
    return cases


def moment(event: Event) -> int:
    return NOON + round(event.day * DAY_S)


def kept_before(events: list[Event], person: str, item: str) -> bool:
    own = [event for event in events if (event.user, event.item) == (person, item) and moment(event) < CUT]
    kinds = [event.kind for event in own]
    return kinds.count(EventType.PURCHASE) > kinds.count(EventType.RETURN)


def again(events: list[Event], person: str, item: str, days: int) -> bool:
    return kept_before(events, person, item) and any(
        event.kind is EventType.PURCHASE and CUT <= moment(event) < CUT + days * DAY_S
        for event in events
        if (event.user, event.item) == (person, item)
    )


@given(purchases, st.randoms(use_true_random=False))
def test_figures_are_those_of_a_list_sorted_by_hand(events: list[Event], rng: random.Random) -> None:
    cases = make_due_cases(fold_of(events), None, 1)
    by_person = {p: [i for i in ITEMS if again(events, p, i, HORIZONS[-1])] for p in "abc"}
    assert (cases is None) == (not any(by_person.values()))
    if cases is None:
        return
    people = [person for person in "abc" if by_person[person]]
    entries = [("abc"[user], ITEMS[item]) for user, item in zip(cases.own.users, cases.own.items, strict=True)]
    assert entries == [(person, item) for person in people for item in ITEMS if kept_before(events, person, item)]
    # Numbers without two equal ones, some of which are 0.
    scores = np.array(rng.sample(range(1, 999), len(entries)), float) * [rng.random() < 0.8 for _ in entries]
    judged = judge_due(cases, scores)
    for days in HORIZONS:
        ndcg, recall = [], []
        for person in people:
            ranked = sorted(
                ((score, item) for score, (who, item) in zip(scores, entries, strict=True) if who == person),
                reverse=True,
            )
            wanted = {item for item in ITEMS if again(events, person, item, days)}
            if wanted:
                hits = [score > 0 and item in wanted for score, item in ranked[:10]]
                best = sum(1 / math.log2(place + 2) for place in range(min(len(wanted), 10)))
                ndcg.append(sum(hit / math.log2(place + 2) for place, hit in enumerate(hits)) / best)
                recall.append(sum(hits) / len(wanted))
        assert judged.ndcg[days] == pytest.approx(ndcg)
        assert judged.recall[days] == pytest.approx(recall)


def bought(person: str, item: str, *days: float) -> list[Event]:
    return [Event(person, item, day) for day in days]


SHELF = [
    *bought("a", "i00", 10, 20, 30, 40, 130.0),  # often, long ago; after the longest horizon
    *bought("a", "i01", 60, 80, 104),  # due; bought within a week
    *bought("a", "i02", 99, 120),  # once, yesterday; bought within four weeks
    *bought("a", "i03", 70, 99.9, 99.95),  # today
]


def test_rivals_rank_as_their_names_say() -> None:
    rivals = scores_of_rivals(cases_of(SHELF))
    assert tuple(rivals) == RIVALS
    order = {name: [int(no) for no in np.argsort(-scores, kind="stable")] for name, scores in rivals.items()}
    assert order[due.FREQUENT] == [0, 1, 3, 2]
    assert order[due.RECENT] == [3, 2, 1, 0]
    # 60 days after gaps of 10, 20 after one of 20, 0 after one of 29; no gap is last.
    assert order[due.OVERDUE] == [0, 1, 3, 2]
    assert rivals[due.DECAYED][3] == 0
    assert rivals[due.DECAYED] == pytest.approx(scores_of_due(cases_of(SHELF), OWN_FREQUENT))


def test_of_equally_recent_items_the_most_frequent_is_first() -> None:
    cases = cases_of([*bought("a", "i00", 90, 105), *bought("a", "i01", 50, 60, 70, 90, 105), *bought("a", "i02", 91)])
    assert np.argsort(-scores_of_rivals(cases)[due.RECENT]).tolist() == [2, 1, 0]


def test_equal_scores_are_ordered_by_the_latest_purchase() -> None:
    events = [event for number in range(12) for event in bought("a", f"i{number:02}", number)]
    cases = cases_of([*events, *bought("a", "i00", 101), *bought("a", "i11", 102)])
    judged = judge_due(cases, np.ones(12))
    # The oldest is twelfth, the newest first.
    assert judged.ndcg[7] == pytest.approx([1 / (1 + 1 / math.log2(3))])
    assert judged.recall[7].tolist() == [0.5]


def test_people_are_counted_by_horizon() -> None:
    judged = judge_due(cases_of([*SHELF, *bought("b", "i05", 50, 115)]), np.arange(1.0, 6.0))
    assert {days: len(ndcg) for days, ndcg in judged.ndcg.items()} == {7: 1, 28: 2}
    [row] = figures_of({DUE: judged}, 1)
    assert {days: figures["people"] for days, figures in row["horizons"].items()} == {"7": 1, "28": 2}
    assert row["horizons"]["7"]["lead"] == {"mean": 0, "low": 0, "high": 0}
    assert row["horizons"]["28"]["ndcg@10"]["mean"] == pytest.approx(judged.ndcg[28].mean())
    assert row["horizons"]["28"]["recall@10"]["mean"] == pytest.approx(judged.recall[28].mean())
    assert judged.score == pytest.approx((judged.ndcg[7].mean() + judged.ndcg[28].mean()) / 2)


def test_a_horizon_without_anybody_has_no_figures() -> None:
    judged = judge_due(cases_of(bought("a", "i05", 50, 115)), np.ones(1))
    assert judged.score == 1
    [row] = figures_of({DUE: judged}, 1)
    assert list(row["horizons"]) == ["28"]
    assert not is_clearly_better(judged, judged, 1)


def test_of_many_people_a_sample_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [event for person in "abc" for event in bought(person, "i05", 50, 115)]
    monkeypatch.setattr(due, "MAX_PEOPLE", 2)
    first, second = cases_of(events), cases_of(events)
    assert len(np.unique(first.own.users)) == 2
    assert first.own.users.tolist() == second.own.users.tolist()
    assert [len(mask) for mask in first.relevant.values()] == [2, 2]


def judgement(week: list[float], month: list[float]) -> DueJudgement:
    ndcg = {7: np.array(week), 28: np.array(month)}
    return DueJudgement(ndcg, ndcg)


def test_the_gate_wants_the_month_clearly_better_and_the_week_not_worse() -> None:
    low, high, mixed = [0.2] * 9, [0.4] * 9, [0.1, 0.6] * 4 + [0.3]
    assert is_clearly_better(judgement(low, high), judgement(low, low), 1)
    assert is_clearly_better(judgement(mixed, high), judgement([0.3] * 9, low), 1)
    assert not is_clearly_better(judgement(high, low), judgement(low, low), 1)
    assert not is_clearly_better(judgement(low, high), judgement(high, low), 1)
    assert not is_clearly_better(judgement(low, mixed), judgement(low, [0.3] * 9), 1)
    assert is_clearly_better(judgement([], high), judgement([], low), 1)


def test_the_choice_takes_the_best_of_what_it_has_tried() -> None:
    cases = cases_of(SHELF)
    best, tried = choose_due(cases)
    assert len(tried) == 1 + sum(len(values) - (getattr(USUAL, name) in values) for name, values in CHOICES.items())
    by_settings = [({name: row[name] for name in CHOICES}, row["ndcg"]) for row in tried]
    assert by_settings[0][0] == USUAL.model_dump()
    assert dict(by_settings[[score for _, score in by_settings].index(max(s for _, s in by_settings))][0]) == (
        best.model_dump()
    )
    for values, score in by_settings:
        settings = USUAL.model_copy(update=values)
        assert judge_due(cases, scores_of_due(cases, settings)).score == pytest.approx(score)


def test_a_choice_that_may_not_go_on_takes_the_usual_settings() -> None:
    best, tried = choose_due(cases_of(SHELF), lambda: False)
    assert (best, len(tried)) == (USUAL, 1)


def test_a_shop_of_rhythms_is_ranked_better_than_by_frequency() -> None:
    """Thirty people buy one item every 30 days and have long given up another that they bought often."""
    events = []
    for number in range(30):
        person = f"u{number:02}"
        events += bought(person, "i00", *range(0, 30, 3))
        events += bought(person, "i01", 10 + number % 5, 40 + number % 5, 70 + number % 5, 100.5 + number % 5)
    data = interactions(events, ITEMS)
    cases = make_due_cases(Fold(CUT, data.where(data.ts < CUT), data.where(data.ts >= CUT)), None, 1)
    assert cases is not None
    ours, theirs = (
        judge_due(cases, scores) for scores in (scores_of_due(cases, USUAL), scores_of_rivals(cases)[due.FREQUENT])
    )
    assert ours.ndcg[28].mean() > theirs.ndcg[28].mean()
    assert is_clearly_better(ours, theirs, 1)
