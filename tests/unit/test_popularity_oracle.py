"""What is popular, and the window that is chosen for it, against loops over the events."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from math import log2

import numpy as np
import pytest

from common.evaluation import popular_window
from common.evaluation.bootstrap import paired_interval
from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.popular_window import LEAD, PopularWindow, judge_window
from common.evaluation.split import Fold, temporal_split
from common.models.popularity import FILL, PLACE, WINDOWS, PopularCounts, counts_of, popularity, window_start
from common.schemas.data import DAY_S, EVENT_TYPES, F64, NO_USER, EventType, Interactions, Weighting
from tests.shops import NOON, Event, interactions

NOW = NOON + 60 * DAY_S
DAYS = 20
ITEMS = [f"i{item}" for item in range(7)]


def random_events(seed: int, people: int, items: int = 6, n: int = 160) -> Interactions:
    """Of people and of guests, who are in orders, in sessions of the shop, in both, and in neither. At every edge of
    the window stands an event."""
    rng = np.random.default_rng(seed)
    edge = (window_start(NOW, DAYS) - NOON) / DAY_S
    days = [edge, edge - 1 / DAY_S, 60.0, *rng.uniform(0, 60, n)]
    kinds = rng.choice(len(EVENT_TYPES), len(days), p=[0.4, 0.2, 0.2, 0.2])
    data = interactions(
        [
            Event(
                f"u{rng.integers(people)}" if people and rng.random() < 0.6 else None,
                ITEMS[rng.integers(items)],
                day,
                EVENT_TYPES[kind],
                qty=float(rng.integers(1, 4)),
                order=int(rng.choice([-1, int(rng.integers(12))])),
            )
            for day, kind in zip(days, kinds, strict=True)
        ],
        items=ITEMS,
    )
    return replace(data, sessions=np.where(rng.random(len(data)) < 0.5, -1, rng.integers(0, 4, len(data))))


def counted(data: Interactions, weights: dict[EventType, float]) -> PopularCounts:
    strongest: dict[tuple[int, int], float] = defaultdict(float)
    pieces: Counter[tuple[int, int]] = Counter()
    gave_back = set()
    of_unit: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    people, guests, events = np.zeros((3, data.n_items))
    for row in range(len(data)):
        kind, item, user = EVENT_TYPES[data.event_types[row]], int(data.items[row]), int(data.users[row])
        ts, qty, order, session = (float(c[row]) for c in (data.ts, data.qty, data.orders, data.sessions))
        events[item] += weights[kind] * 2 ** ((ts - NOW) / DAY_S / DAYS)
        if ts <= NOW - DAYS * DAY_S:
            continue
        if user == NO_USER:
            unit = ("order", int(order)) if order >= 0 else ("session", int(session)) if session >= 0 else ("row", row)
            of_unit[(*unit, item)].append(-1 if kind is EventType.RETURN else weights[kind])
            continue
        strongest[user, item] = max(strongest[user, item], weights[kind])
        pieces[user, item] += round(qty) * {EventType.PURCHASE: 1, EventType.RETURN: -1}.get(kind, 0)
        gave_back |= {(user, item)} if kind is EventType.RETURN else set()
    for (user, item), weight in strongest.items():
        people[item] += weight if (user, item) not in gave_back or pieces[user, item] > 0 else 0
    for (_, _, item), found in of_unit.items():
        guests[item] += max(found)
    return PopularCounts(people, guests, events)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("people", [0, 9])
@pytest.mark.parametrize("weighting", [None, Weighting(view=0.0, cart=0.9, purchase=0.6, returned=-0.3)])
def test_counts_are_those_of_loops_over_the_events(seed: int, people: int, weighting: Weighting | None) -> None:
    data = random_events(seed, people)
    own = weighting or Weighting()
    by_type = dict(zip(EVENT_TYPES, own.event_weights().tolist(), strict=True))
    found, wanted = counts_of(data, NOW, DAYS, weighting), counted(data, by_type)
    for one, other in zip(
        (found.people, found.guests, found.events), (wanted.people, wanted.guests, wanted.events), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
        assert one.dtype == np.float64
    np.testing.assert_array_equal(popularity(data, NOW, DAYS, weighting), found.scores())


def test_a_shop_without_events_has_nothing_popular() -> None:
    nothing = counts_of(interactions([]), NOW, DAYS)
    assert [len(counts) for counts in (nothing.people, nothing.guests, nothing.events, nothing.scores())] == [0] * 4
    assert counts_of(interactions([], items=["x"]), NOW, DAYS).scores().tolist() == [0]


def believed(people: list[float], guests: list[float]) -> list[float]:
    """As the docstring of `PopularCounts.scores` says it, one item at a time."""
    limit = max([sorted([0, 0, 0, *guests])[-PLACE] if len(guests) >= PLACE else 0, max([0, *people]) / 3])
    if max([0, *people]) > 0:
        return [min(max(many, 0), limit) for many in guests]
    return [max(limit - 0.5, 0) if many > 2 * limit else max(many, 0) for many in guests]


@pytest.mark.parametrize(
    ("people", "guests"),
    [
        ([0, 0, 0, 0], [9, 8, 4, 1]),
        ([0, 0, 0, 0], [90, 5, 4, 1]),
        ([0, 0, 0], [0.9, 0.2, 0.2]),
        ([0, 0, 0], [8, 4, 4]),
        ([0, 0], [5, 3]),
        ([0], [2]),
        ([3, 9, 0, 1], [9, -2, 4, 1]),
        ([3, 0, 0, 0], [9, 8, 4, 1]),
        ([2, 0, 1], [3, 3, 3]),
        ([0.5, 0, 0], [0.1, 0.3, 2]),
    ],
)
def test_guests_are_believed_up_to_what_the_others_have(people: list[float], guests: list[float]) -> None:
    events = np.arange(1.0, 1 + len(people))
    counts = PopularCounts(np.array(people, float), np.array(guests, float), events)
    wanted = np.array(people) + believed(people, guests) + FILL * events
    assert counts.scores() == pytest.approx(wanted, abs=1e-12)


def test_counts_are_added_and_placed_item_by_item() -> None:
    one = PopularCounts(*np.array([[1.0, 2], [3, 4], [5, 6]]))
    both = one.plus(PopularCounts(*np.array([[10.0, 20], [30, 40], [50, 60]]))).placed(np.array([3, 1], np.int32), 5)
    assert [counts.tolist() for counts in (both.people, both.guests, both.events)] == [
        [0, 22, 0, 11, 0],
        [0, 44, 0, 33, 0],
        [0, 66, 0, 55, 0],
    ]


def make_shop(season_days: int) -> Cases:
    """In each season people buy other ten items, most often the first; some of them again and again."""
    rng = np.random.default_rng(2)
    people = [f"u{number:02}" for number in range(40)]
    data = interactions(
        Event(str(person), f"i{day // season_days:02} {min(rng.integers(10), rng.integers(10))}", day + rng.random())
        for day in range(120)
        for person in rng.choice(people, 8, replace=False)
    )
    split = temporal_split(data, 8, 0)
    assert split is not None
    return make_cases(split.validation, 1)


def ndcg_by_hand(cases: Cases, relevance: Relevance, days: int) -> list[float]:
    scores = popularity(cases.fold.past, cases.fold.cut_s, days)
    order = [item for item in np.argsort(-scores, kind="stable").tolist() if scores[item] > 0]
    order = order[: popular_window.DEPTH]
    found = []
    for bought, owned in zip(cases.bought.toarray(), cases.owned.toarray(), strict=True):
        hidden = set(np.flatnonzero(owned).tolist()) if relevance is Relevance.NEW else set()
        relevant = set(np.flatnonzero(bought).tolist()) - hidden
        if relevant:
            shown = [item for item in order if item not in hidden][:10]
            gained = sum(1 / log2(rank + 2) for rank, item in enumerate(shown) if item in relevant)
            found.append(gained / sum(1 / log2(rank + 2) for rank in range(min(10, len(relevant)))))
    return found


@pytest.mark.parametrize("depth", [500, 13])
@pytest.mark.parametrize("relevance", Relevance)
@pytest.mark.parametrize("season_days", [20, 40, 200])
def test_every_window_is_judged_as_worked_out(
    season_days: int, relevance: Relevance, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(popular_window, "DEPTH", depth)
    cases = make_shop(season_days)
    by_window = {days: np.array(ndcg_by_hand(cases, relevance, days)) for days in WINDOWS}
    means = {days: scores.mean() for days, scores in by_window.items()}
    leading = {
        days: mean
        for days, mean in means.items()
        if mean >= LEAD * means[28] and paired_interval(by_window[days], by_window[28], 1)[0] > 0
    }
    steps: list[tuple[int, int]] = []
    window = judge_window(cases, relevance, 1, lambda step, all_steps: steps.append((step, all_steps)))
    assert window.tried == pytest.approx(means)
    assert window.days == max(leading, key=lambda days: leading[days], default=28)
    assert steps == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    assert window == judge_window(cases, relevance, 1)
    assert window.as_dict() == {
        "days": window.days,
        "tried": [{"days": days, "ndcg": ndcg} for days, ndcg in window.tried.items()],
    }


def test_without_people_to_judge_by_the_usual_window_stays() -> None:
    data = interactions([Event("a", "x", day) for day in (0, 1, 9)])
    cases = make_cases(Fold(NOON + 5 * DAY_S, data.where(data.ts < NOON + 5 * DAY_S), data.where(data.ts > NOON)), 1)
    assert judge_window(cases, Relevance.NEW, 1) == PopularWindow(28, {})


def test_another_window_must_be_a_tenth_better_and_not_by_chance() -> None:
    usual = np.linspace(0.1, 0.9, 50)
    assert not popular_window._leads(usual + 0.04, usual, 1), "everybody a little better"
    assert popular_window._leads(usual + 0.06, usual, 1)
    assert popular_window._leads(np.array([LEAD]), np.array([1.0]), 1)
    chance = np.where(np.arange(50) == 7, 10.0, -0.02)
    assert (usual + chance).mean() > LEAD * usual.mean()
    assert not popular_window._leads(usual + chance, usual, 1), "one person much better"
    assert not popular_window._leads(usual + np.maximum(chance, 0), usual, 1), "and nobody else worse"


def test_the_seed_decides_what_is_by_chance() -> None:
    usual, gains = np.full(40, 0.1), np.random.default_rng(3).standard_normal(40)
    ends = [paired_interval(gains, 0 * gains, seed)[0] for seed in range(20)]
    ours = usual + gains - np.median(ends)
    by_seed = [popular_window._leads(ours, usual, seed) for seed in range(20)]
    assert by_seed == [end > np.median(ends) for end in ends]
    assert any(by_seed)
    assert not all(by_seed)


def test_the_choice_uses_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def noted(ours: F64, usual: F64, seed: int) -> tuple[float, float]:
        seeds.append(seed)
        return paired_interval(ours, usual, seed)

    monkeypatch.setattr(popular_window, "paired_interval", noted)
    judge_window(make_shop(20), Relevance.ALL, 7)
    assert set(seeds) == {7}


def figures_of(before: list[Event], after: list[Event]) -> list[float]:
    """The figures of all windows for a shop with these events before and after the cut."""
    data = interactions([*before, *after])
    cut_s = NOON + 5 * DAY_S
    fold = Fold(cut_s, data.where(data.ts < cut_s), data.where(data.ts >= cut_s))
    return list(judge_window(make_cases(fold, 1), Relevance.ALL, 1).tried.values())


def test_items_that_are_equally_popular_are_in_the_order_of_the_catalogue() -> None:
    """A third of them were bought by two people, in turn with the others."""
    bought = [Event(f"u{item:02}", f"i{item:02}") for item in range(60)]
    bought += [Event("v", f"i{item:02}") for item in range(0, 60, 3)]
    for place in range(10):
        assert figures_of(bought, [Event("u07", f"i{3 * place:02}", 9)]) == pytest.approx([1 / log2(place + 2)] * 5)


def test_what_was_only_looked_at_comes_behind_what_was_bought() -> None:
    before = [Event("a", "seen", kind=EventType.VIEW), Event("b", "sold")]
    assert figures_of(before, [Event("a", "seen", 9)]) == pytest.approx([1 / log2(3)] * 5)


def test_what_was_never_sold_is_in_no_list() -> None:
    assert figures_of([Event("a", "x"), Event("a", "y")], [Event("a", "z", 9)]) == [0.0] * 5
