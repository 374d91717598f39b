"""The choice of the window of what is popular."""

from __future__ import annotations

import numpy as np
import pytest

from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.judge import judge_scores
from common.evaluation.popular_window import judge_window
from common.evaluation.split import temporal_split
from common.models.popularity import WINDOWS, popularity
from common.schemas.data import F32
from tests.shops import Event, interactions

PEOPLE = [f"u{number:02}" for number in range(40)]


def cases(season_days: int) -> Cases:
    """In each season people buy other ten items, so that a window of one season finds the next purchases."""
    rng = np.random.default_rng(2)
    data = interactions(
        Event(str(person), f"i{day // season_days:02} {rng.integers(10)}", day + rng.random())
        for day in range(120)
        for person in rng.choice(PEOPLE, 8, replace=False)
    )
    split = temporal_split(data, 8, 0)
    assert split is not None
    return make_cases(split.validation, 1)


def test_a_shop_with_short_seasons_gets_a_short_window() -> None:
    window = judge_window(cases(season_days=20), Relevance.NEW, 1)
    assert window.days < 28
    assert window.tried[window.days] > 1.1 * window.tried[28]


def test_the_usual_window_stays_where_no_other_is_clearly_better() -> None:
    assert judge_window(cases(season_days=200), Relevance.ALL, 1).days == 28


@pytest.mark.parametrize("relevance", Relevance)
def test_figures_are_those_of_the_judge(relevance: Relevance) -> None:
    some = cases(season_days=20)
    tried = judge_window(some, relevance, 1).tried
    for days in WINDOWS:
        scores: F32 = popularity(some.fold.past, some.fold.cut_s, days).astype("float32")
        scores[scores <= 0] = float("-inf")
        rows = scores[None].repeat(len(some.user_keys), 0)
        judged = judge_scores(iter([(slice(0, len(rows)), rows)]), some).metrics[relevance]["ndcg@10"]
        assert tried[days] == pytest.approx(judged, abs=0.02)
