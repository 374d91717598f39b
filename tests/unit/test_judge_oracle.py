"""The judge, the treatments of repeat purchases and the trend against figures that are worked out person by person.

The oracle reads the events themselves, and has only the shop and the scores in common with the judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import log2

import numpy as np
import pytest

from common.config import Purchased
from common.evaluation import ranking, repeats
from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.judge import FEW_ITEMS, Judgement, judge, judge_scores, scores_of
from common.evaluation.queries import make_queries
from common.evaluation.repeats import FIRST, HALF_LIFE_DAYS, OTHER_HALF_LIVES, STEPS, judge_as_served, judge_repeats
from common.evaluation.split import temporal_split
from common.evaluation.trend import STEPS as TREND_STEPS
from common.evaluation.trend import judge_trend
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.models.trend import item_trends
from common.schemas.data import DAY_S, F32, Bools, EventType
from common.schemas.documents import RepeatPurchases
from common.serving.encoders import ENCODERS
from tests.shops import NOON, Event, interactions

ALL, NEW = Relevance.ALL, Relevance.NEW
PEOPLE, CUT_DAY = 50, 70
UNSOLD = {"i57", "i58", "i59"}
"""Sold only after the cut, so codes at the end of the catalogue have no event before it."""


def shop_events(favourites_change: bool) -> list[Event]:
    """Everybody has few things that they buy again and again, and tries others; some give things back.

    With `favourites_change`, what they liked long ago is bought no longer.
    """
    rng = np.random.default_rng(11)
    events = []
    for person in range(PEOPLE):
        n_own = 2 + person % 6
        own = [rng.choice(50, n_own, replace=False), rng.choice(50, n_own, replace=False)]
        for day in range(CUT_DAY + 9):
            liked = own[0] if favourites_change and day < CUT_DAY / 2 else own[1]
            if rng.random() < 0.25:
                events.append(Event(f"u{person:02}", f"i{rng.choice(liked):02}", day + rng.random() / 2))
            if day >= CUT_DAY and rng.random() < 0.1:
                events.append(Event(f"u{person:02}", f"i{rng.integers(57, 60)}", day + 0.7))
    returned = [replace(event, kind=EventType.RETURN, day=event.day + 0.2) for event in events[::7]]
    return [*events, *returned]


@dataclass(frozen=True)
class Shop:
    """Events, the cases after the cut, and two models: one that knows all items but one, and popular."""

    events: list[Event]
    cases: Cases
    artifact: Artifact
    popular: Artifact

    @cached_property
    def people(self) -> list[str]:
        """The ids of the cases' people, in the cases' order."""
        ids = sorted({event.user for event in self.events if event.user is not None})
        keys = self.cases.fold.past.user_keys.tolist()
        return [ids[keys.index(key)] for key in self.cases.user_keys.tolist()]

    @cached_property
    def before(self) -> dict[str, set[str]]:
        """What each person bought before the cut; an empty set for one who did something else."""
        return self._bought(after=False)

    @cached_property
    def after(self) -> dict[str, set[str]]:
        return self._bought(after=True)

    def _bought(self, *, after: bool) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for event in self.events:
            if event.user is not None and (seconds(event) >= self.cases.fold.cut_s) == after:
                items = found.setdefault(event.user, set())
                items |= {event.item} if event.kind is EventType.PURCHASE else set()
        return found

    def scores(self) -> F32:
        blocks = scores_of(self.artifact, self.cases, ENCODERS[self.artifact.encoder], self.popular)
        return np.concatenate([block for _, block in blocks])


def make_shop(*, favourites_change: bool = False, own_vectors: bool = True, strangers: int = 0) -> Shop:
    """`own_vectors` False leaves people to the encoder; the last `strangers` have nothing but purchases that were all
    given back before the cut, so the model knows nothing of them."""
    events = shop_events(favourites_change)
    for number in range(strangers):
        user = f"v{number}"
        events += [Event(user, "i01", 3), Event(user, "i01", 4, EventType.RETURN), Event(user, "i02", CUT_DAY + 1)]
    split = temporal_split(interactions(events), 79.5 - CUT_DAY, 0)
    assert split is not None
    cases = make_cases(split.validation, 1)
    data, options = TrainingData(cases.fold.past), FitOptions(1, 1, cases.fold.cut_s)
    artifact = make("als", {"factors": 4, "regularization": 1.0, "weighting": {"half_life_days": 40}}).fit(
        data, options
    )
    kept = np.array([item not in {"i03", *UNSOLD} for item in artifact.item_ids])
    artifact = replace(
        artifact,
        item_ids=(*(item for item, keep in zip(artifact.item_ids, kept, strict=True) if keep), "never sold"),
        item_vectors=np.concatenate([artifact.item_vectors[kept], np.ones((1, artifact.dim), np.float32)]),
    )
    if not own_vectors:
        artifact = replace(artifact, user_keys=artifact.user_keys[:0], user_vectors=artifact.user_vectors[:0])
    return Shop(events, cases, artifact, make("popular").fit(data, options))


def seconds(event: Event) -> int:
    return NOON + round(event.day * DAY_S)


def listed(scores: F32, hidden: set[int], n: int = 20) -> list[int]:
    order = [int(item) for item in np.argsort(-scores, kind="stable") if scores[item] > -np.inf]
    return [item for item in order if item not in hidden][:n]


def ndcg(hits: list[bool], n_relevant: int, k: int) -> float:
    gained = sum(1 / log2(rank + 2) for rank, hit in enumerate(hits[:k]) if hit)
    return gained / sum(1 / log2(rank + 2) for rank in range(min(n_relevant, k)))


def expected(shop: Shop, scores: F32) -> Judgement:
    """What `judge` has to find for these scores, by loops over people and ranks."""
    ids = shop.cases.fold.past.item_ids
    past_events = [event for event in shop.events if seconds(event) < shop.cases.fold.cut_s]
    past = shop.before
    buyers = {item: sum(item in owned for owned in past.values()) for item in ids}
    judgement = Judgement({}, {}, {})
    for relevance in (ALL, NEW):
        lists, kept = [], []
        for row, user in enumerate(shop.people):
            owned = {ids.index(item) for item in past[user]}
            relevant = {ids.index(item) for item in shop.after[user]} - (owned if relevance is NEW else set())
            if relevant:
                lists.append(listed(scores[row], owned if relevance is NEW else set()))
                kept.append((owned, relevant))
        hits = [[item in relevant for item in items] for items, (_, relevant) in zip(lists, kept, strict=True)]
        sizes = [len(relevant) for _, relevant in kept]
        first_ten = [item for items in lists for item in items[:10]]
        judgement.primary[relevance] = np.array([ndcg(h, n, 10) for h, n in zip(hits, sizes, strict=True)])
        judgement.metrics[relevance] = {
            "ndcg@10": float(np.mean([ndcg(h, n, 10) for h, n in zip(hits, sizes, strict=True)])),
            "ndcg@20": float(np.mean([ndcg(h, n, 20) for h, n in zip(hits, sizes, strict=True)])),
            "recall@10": float(np.mean([sum(h[:10]) / n for h, n in zip(hits, sizes, strict=True)])),
            "recall@20": float(np.mean([sum(h) / n for h, n in zip(hits, sizes, strict=True)])),
            "hit_rate@10": float(np.mean([any(h[:10]) for h in hits])),
            "mrr@20": float(np.mean([1 / (1 + h.index(True)) if any(h) else 0 for h in hits])),
            "coverage@10": len(set(first_ten)) / len({event.item for event in past_events}),
            "novelty@10": float(np.mean([-log2((buyers[ids[item]] + 1) / (len(past) + 1)) for item in first_ten])),
            "people": float(len(lists)),
        }
        if relevance is ALL:
            few = [row for row, (owned, _) in enumerate(kept) if len(owned) <= FEW_ITEMS]
            judgement.cold["people"] = {
                "ndcg@10": float(np.mean(judgement.primary[ALL][few])),
                "hit_rate@10": float(np.mean([any(hits[row][:10]) for row in few])),
                "people": float(len(few)),
            }
            unsold = {ids.index(item) for item in UNSOLD}
            shares = [
                len(set(items) & relevant & unsold) / len(relevant & unsold)
                for items, (_, relevant) in zip(lists, kept, strict=True)
                if relevant & unsold
            ]
            judgement.cold["items"] = {"recall@20": float(np.mean(shares)), "people": float(len(shares))}
    return judgement


def assert_equal(found: Judgement, wanted: Judgement) -> None:
    for relevance in (ALL, NEW):
        np.testing.assert_allclose(found.primary[relevance], wanted.primary[relevance], atol=1e-9)
        assert found.metrics[relevance] == pytest.approx(wanted.metrics[relevance], abs=1e-9)
    assert found.cold.keys() == wanted.cold.keys()
    for kind, figures in wanted.cold.items():
        assert found.cold[kind] == pytest.approx(figures, abs=1e-9)


def test_every_figure_of_given_scores_is_as_worked_out() -> None:
    """Scores without ties, a tenth of them for items that must not be shown."""
    shop = make_shop()
    rng = np.random.default_rng(2)
    scores = rng.permuted(
        np.tile(np.arange(shop.cases.fold.past.n_items, dtype=np.float32), (len(shop.people), 1)), axis=1
    )
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    owned = [len(shop.before[user]) for user in shop.people]
    assert {FEW_ITEMS, FEW_ITEMS + 1} <= set(owned)
    assert any(len(shop.after[user] & UNSOLD) > 1 for user in shop.people)
    found = judge_scores(iter([(slice(0, len(scores)), scores.copy())]), shop.cases)
    assert_equal(found, expected(shop, scores))


@pytest.mark.parametrize("own_vectors", [True, False])
def test_every_figure_of_a_model_is_as_worked_out(own_vectors: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of seven people, and with one item of the catalogue that the model does not know."""
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 4 * 7 * 53)
    shop = make_shop(own_vectors=own_vectors, strangers=2)
    found = judge(shop.artifact, shop.cases, ENCODERS[shop.artifact.encoder], shop.popular)
    assert_equal(found, expected(shop, shop.scores()))


def test_an_item_that_popular_does_not_know_is_not_shown_to_strangers() -> None:
    shop = make_shop(strangers=1)
    ids = shop.cases.fold.past.item_ids
    popular = replace(shop.popular, item_ids=shop.popular.item_ids[1:], item_vectors=shop.popular.item_vectors[1:])
    missing = ids.index(shop.popular.item_ids[0])
    scores = replace(shop, popular=popular).scores()[-1]
    assert np.isneginf(scores[missing])
    assert scores[ids.index(popular.item_ids[0])] == popular.item_vectors[0, 0]


def test_without_people_to_judge_by_only_their_number_is_said() -> None:
    """Everybody buys again what they have, which is a lot, and nothing that had not been sold before."""
    events = [Event(user, f"i{item}", day) for user in "ab" for item in range(FEW_ITEMS + 1) for day in (0, 9)]
    split = temporal_split(interactions(events), 3, 0)
    assert split is not None
    cases = make_cases(split.validation, 1)
    scores = np.tile(np.arange(FEW_ITEMS + 1, dtype=np.float32), (2, 1))
    judgement = judge_scores(iter([(slice(0, 2), scores)]), cases)
    assert judgement.metrics[NEW] == {"people": 0}
    assert judgement.cold == {"people": {"people": 0}, "items": {"people": 0}}


def gains(shop: Shop, half_life_days: float | None) -> F32:
    """(people, items): ln(1 + purchases less returns), each half after each half-life; 0 for unknown items and those
    that were given back."""
    ids, cut = shop.cases.fold.past.item_ids, shop.cases.fold.cut_s
    known = {ids.index(item) for item in shop.artifact.item_ids if item in ids}
    weights, pieces = np.zeros((2, len(shop.people), len(ids)))
    for event in shop.events:
        ts = seconds(event)
        if ts < cut and event.user in shop.people:
            place = shop.people.index(event.user), ids.index(event.item)
            sign = -1 if event.kind is EventType.RETURN else 1
            pieces[place] += sign
            weights[place] += sign * (1 if half_life_days is None else 0.5 ** ((cut - ts) / DAY_S / half_life_days))
    found = np.where(pieces > 0, np.log1p(np.maximum(weights, 0)), 0)
    found[:, [item for item in range(len(ids)) if item not in known]] = 0
    return found.astype(np.float32)


def kept(shop: Shop) -> Bools:
    return np.asarray(gains(shop, None) > 0)


def boosted_ndcg(shop: Shop, scores: F32) -> float:
    return expected(shop, scores).metrics[ALL]["ndcg@10"]


def mean_lead(scores: F32) -> list[float]:
    return [max(row) - float(np.mean([score for score in row if score > -np.inf])) for row in scores]


@pytest.mark.parametrize(("favourites_change", "own_vectors"), [(False, True), (True, False)])
def test_the_best_boost_is_found_among_those_that_are_tried(favourites_change: bool, own_vectors: bool) -> None:
    shop = make_shop(favourites_change=favourites_change, own_vectors=own_vectors)
    scores = shop.scores()
    unit = float(np.mean(mean_lead(scores)))
    usual = gains(shop, HALF_LIFE_DAYS)
    tried = {step: boosted_ndcg(shop, scores + step * unit * usual) for step in STEPS}
    step = max(tried, key=lambda step: tried[step])
    by_half_life = {HALF_LIFE_DAYS: tried[step]} | {
        half_life: boosted_ndcg(shop, scores + step * unit * gains(shop, half_life)) for half_life in OTHER_HALF_LIVES
    }
    half_life = max(by_half_life, key=lambda one: by_half_life[one])
    found = judge_repeats(shop.artifact, shop.cases, ENCODERS[shop.artifact.encoder], shop.popular)
    assert found.boost == pytest.approx(step * unit, rel=1e-5)
    assert found.half_life_days == half_life == (56.0 if favourites_change else half_life)
    assert found.put_forward == pytest.approx(by_half_life[half_life], abs=1e-6)
    assert found.show == pytest.approx(boosted_ndcg(shop, scores), abs=1e-6)
    assert found.hide == pytest.approx(boosted_ndcg(shop, np.where(kept(shop), -np.inf, scores)), abs=1e-6)
    assert found.as_dict() == {
        "hide": found.hide,
        "show": found.show,
        "put_forward": found.put_forward,
        "boost": found.boost,
        "half_life_days": half_life,
        "first": pytest.approx(FIRST * unit, rel=1e-5),
        "forced": False,
        "decision": Purchased.BOOST,
    }


def test_the_usual_half_life_stays_where_no_other_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "OTHER_HALF_LIVES", (0.01,))
    shop = make_shop()
    found = judge_repeats(shop.artifact, shop.cases, ENCODERS[shop.artifact.encoder], shop.popular)
    assert found.half_life_days == HALF_LIFE_DAYS
    boosted = shop.scores() + found.boost * gains(shop, HALF_LIFE_DAYS)
    assert found.put_forward == pytest.approx(boosted_ndcg(shop, boosted), abs=1e-6)


@pytest.mark.parametrize("purchased", list(Purchased))
def test_a_shops_setting_goes_before_what_was_found(purchased: Purchased) -> None:
    shop = make_shop(favourites_change=True)
    found = judge_repeats(shop.artifact, shop.cases, ENCODERS[shop.artifact.encoder], shop.popular)
    decision = found.decision if purchased is Purchased.AUTO else purchased
    assert found.served(purchased) == RepeatPurchases(
        decision=decision.value, boost=found.boost, half_life_days=found.half_life_days
    )


@pytest.mark.parametrize("half_life_days", [None, 9.0])
def test_what_is_served_is_judged_with_its_own_half_life(half_life_days: float | None) -> None:
    shop = make_shop(own_vectors=False)
    served = RepeatPurchases(decision="boost", boost=0.4, half_life_days=half_life_days)
    found = judge_as_served(shop.artifact, shop.cases, ENCODERS[shop.artifact.encoder], shop.popular, served)
    assert_equal(found, expected(shop, shop.scores() + np.float32(0.4) * gains(shop, half_life_days)))


@pytest.mark.parametrize("relevance", [ALL, NEW])
@pytest.mark.parametrize("own_vectors", [True, False])
def test_every_weight_of_the_trend_is_as_worked_out(relevance: Relevance, own_vectors: bool) -> None:
    shop = make_shop(own_vectors=own_vectors, strangers=3)
    scores = shop.scores()
    trend = judge_trend(shop.artifact, shop.cases, ENCODERS[shop.artifact.encoder], shop.popular, relevance)
    queries = make_queries(shop.artifact, shop.cases.fold, shop.cases.user_keys, ENCODERS[shop.artifact.encoder])
    lengths = np.linalg.norm(queries, axis=1)
    known = lengths > 0
    assert 0 < known.sum() < len(known)
    unit = float(np.median(np.array(mean_lead(scores))[known] / lengths[known]))
    weights = [0.0, *(step * unit for step in TREND_STEPS)]
    gained = item_trends(shop.cases.fold.past, shop.cases.fold.cut_s)
    figures = {
        weight: expected(shop, scores + np.float32(weight) * lengths[:, None] * gained).metrics[relevance]["ndcg@10"]
        for weight in weights
    }
    assert list(trend.tried) == pytest.approx(weights, rel=1e-4)
    assert list(trend.tried.values()) == pytest.approx(list(figures.values()), abs=1e-6)
    assert trend.weight == max(trend.tried, key=lambda weight: trend.tried[weight])
    assert trend.as_dict() == {
        "weight": trend.weight,
        "tried": [{"weight": weight, "ndcg": ndcg} for weight, ndcg in trend.tried.items()],
    }


def test_a_weight_that_is_not_the_largest_can_win() -> None:
    shop = make_shop()
    trend = judge_trend(shop.artifact, shop.cases, ENCODERS[shop.artifact.encoder], shop.popular, ALL)
    assert trend.weight < max(trend.tried)
    assert trend.tried[trend.weight] == max(trend.tried.values())
