"""The leaderboard: its rows, all on the same people, and the reasons of rows that are left out."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from common.config import Purchased
from common.evaluation.baselines import BASELINES
from common.evaluation.bootstrap import paired_interval
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY
from common.evaluation.trend import Trend
from common.usecases.train import leaderboard
from common.usecases.train.comparison import Comparison
from common.usecases.train.evaluator import POPULAR
from common.usecases.train.leaderboard import LeaderboardRow, RowKind, evaluate_baselines, evaluate_families
from common.usecases.train.metrics_json import table
from common.usecases.train.resource_usage import measured
from tests.unit.test_comparison import SETTINGS, als, compare, two_tastes

SEED = 7


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(two_tastes(), [als(), als(factors=8)], time.monotonic() + 100)


def named(comparison: Comparison) -> dict[str, LeaderboardRow]:
    return {row.name: row for row in comparison.leaderboard}


def test_champion_popular_and_every_baseline_are_judged_on_the_same_people(comparison: Comparison) -> None:
    assert [row.kind for row in comparison.leaderboard[:3]] == [RowKind.CHAMPION, RowKind.AS_SERVED, RowKind.FAMILY]
    assert set(named(comparison)) == {"als", "als as served", "popular", *(baseline.name for baseline in BASELINES)}
    for relevance in Relevance:
        judged = [row.judgement.primary for row in comparison.leaderboard if row.judgement]
        assert len({len(primary[relevance]) for primary in judged if relevance in primary}) == 1
    assert all(row.usage and row.usage.peak_bytes > 0 for row in comparison.leaderboard)


def test_the_champion_as_served_is_what_was_decided(comparison: Comparison) -> None:
    """Judged on the test window, with the decisions of the validation window."""
    assert comparison.decisions.repeats.decision is Purchased.BOOST
    champion, served = comparison.leaderboard[:2]
    assert champion.judgement is not None
    assert served.judgement is not None
    assert (served.purchased, served.candidate) == ("boost", champion.candidate)
    assert served.judgement.metrics[Relevance.ALL][PRIMARY] > champion.judgement.metrics[Relevance.ALL][PRIMARY]
    [row] = [row for row in table(comparison, SEED) if row["kind"] == RowKind.AS_SERVED]
    lead = row["intervals"][Relevance.ALL]["lead"]
    gain = primary_of(comparison, "als as served", Relevance.ALL) - primary_of(comparison, "als", Relevance.ALL)
    assert lead["mean"] == pytest.approx(-gain.mean())


@pytest.mark.parametrize("purchased", [Purchased.HIDE, Purchased.SHOW])
def test_where_the_shop_has_decided_its_decision_is_what_is_served(
    purchased: Purchased, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown by their score, purchases change nothing, so without a trend there is no row of its own."""
    monkeypatch.setattr("common.usecases.train.evaluator.judge_trend", lambda *_: Trend())
    settings = SETTINGS.model_copy(update={"purchased": purchased})
    comparison = compare(two_tastes(), [als()], time.monotonic() + 100, settings)
    rows = [row for row in comparison.leaderboard if row.kind is RowKind.AS_SERVED]
    assert [row.purchased for row in rows] == ([] if purchased is Purchased.SHOW else ["hide"])


def test_without_time_no_baseline_is_judged_and_each_says_why(comparison: Comparison) -> None:
    rows = evaluate_baselines(comparison.evaluator, time.monotonic() - 1)
    assert [row.left_out for row in rows] == ["the time budget was spent"] * len(BASELINES)
    assert not any(row.judgement for row in rows)


def test_what_takes_longer_than_its_share_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.evaluation.baselines.ease.FLOPS", 1.0)
    row = named(compare(two_tastes(), [als()], time.monotonic() + 100))["EASE"]
    assert row.left_out is not None
    assert "it takes 16000 s or more, and its share of the time was" in row.left_out


def test_families_that_have_not_won_are_evaluated_while_time_is_left(comparison: Comparison) -> None:
    evaluator, shown = comparison.final.evaluator, [comparison.final.popular]
    for deadline, is_judged in ((math.inf, True), (time.monotonic() - 1, False)):
        [row] = evaluate_families(evaluator, comparison.trials, shown, Relevance.NEW, deadline)
        assert (row.kind, row.name) == (RowKind.FAMILY, "als")
        assert row.validation == max(
            trial.score(Relevance.NEW) for trial in comparison.trials if trial.candidate is not POPULAR
        )
        assert (row.judgement is not None) is is_judged
        assert (row.left_out == "the time budget was spent") is not is_judged


def test_time_for_the_families_is_kept_from_the_search(comparison: Comparison) -> None:
    *tried, _popular = comparison.trials
    slowest = max(trial.fit_s for trial in tried)
    assert leaderboard.reserve_s(tried, time.monotonic() + 1000) == slowest
    assert 0 < leaderboard.reserve_s(tried, time.monotonic() + slowest) <= leaderboard.FAMILIES_SHARE * slowest
    assert leaderboard.reserve_s(tried, time.monotonic() - 1) == 0


def test_intervals_are_those_of_the_paired_bootstrap(comparison: Comparison) -> None:
    rows = {row["name"]: row for row in table(comparison, SEED)}
    for relevance in Relevance:
        ours, theirs = (primary_of(comparison, name, relevance) for name in ("als", "item-kNN"))
        found = rows["item-kNN"]["intervals"][relevance]
        assert found["lead"]["mean"] == pytest.approx((ours - theirs).mean())
        assert (found["lead"]["low"], found["lead"]["high"]) == pytest.approx(paired_interval(ours, theirs, SEED))
        zeros = np.zeros_like(theirs)
        assert (found[PRIMARY]["low"], found[PRIMARY]["high"]) == pytest.approx(paired_interval(theirs, zeros, SEED))


def primary_of(comparison: Comparison, name: str, relevance: Relevance) -> np.ndarray:
    judgement = named(comparison)[name].judgement
    assert judgement is not None
    return judgement.primary[relevance]


def test_rows_that_are_left_out_have_their_reason(comparison: Comparison) -> None:
    left_out = LeaderboardRow(RowKind.BASELINE, "EASE", left_out="the time budget was spent")
    rows = table(replace(comparison, leaderboard=(*comparison.leaderboard[:3], left_out)), SEED)
    assert [row["left_out"] for row in rows] == [None, None, None, "the time budget was spent"]
    assert [row["metrics"] is None for row in rows] == [False, False, False, True]


def test_the_peak_is_that_of_the_work_and_not_of_what_was_before() -> None:
    with measured() as large:
        np.ones(1 << 24).sum()
    with measured() as small:
        pass
    assert large.peak_bytes - small.peak_bytes > 100 << 20
    assert small.seconds < large.seconds
