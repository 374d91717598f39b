"""The trend of items: its definition, its value for predictions, and its part in serving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.judge import PRIMARY, judge
from common.evaluation.split import temporal_split
from common.evaluation.trend import Trend, judge_trend
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.popular import Popular
from common.models.registry import families_for_people, make
from common.models.trend import PRIOR, RECENT_DAYS, USUAL_DAYS, item_trends, with_trend
from common.schemas.data import DAY_S, EventType, Interactions
from common.serving.encoders import ENCODERS
from common.serving.evidence import SessionItem
from common.serving.ranking import RankingRequest, rank
from common.usecases.publish.layers.people import PersonEncoder
from tests.bundles import Goods, layer_content, open_layers
from tests.contract.library_scores import SMALL
from tests.shops import NOON, Event, checkerboard, interactions

NOW = NOON + 80 * DAY_S
personal = pytest.mark.parametrize("family", [one for one in families_for_people() if one != Popular.family])


def fit(data: Interactions, family: str = "als", now_s: int | None = None) -> Artifact:
    options = FitOptions(1, 1, int(data.ts[-1]) if now_s is None else now_s)
    return make(family, SMALL[family]).fit(TrainingData(data), options)


def season_events(days: int = 80) -> list[Event]:
    """60 people with two tastes; of each another ten items are in season every sixteen days."""
    rng = np.random.default_rng(3)
    return [
        Event(f"u{user:02}", f"i{20 * (day // 16) + 10 * (user % 2) + rng.integers(10):02}", day + rng.random())
        for day in range(days)
        for user in rng.choice(60, 40, replace=False)
    ]


def seasons() -> Interactions:
    return interactions(season_events())


def judged(data: Interactions) -> tuple[Cases, Artifact, Artifact, Trend]:
    split = temporal_split(data, 6, 0)
    assert split is not None
    cases = make_cases(split.validation, 1)
    artifact, popular = (fit(cases.fold.past, family, cases.fold.cut_s) for family in ("als", "popular"))
    return cases, artifact, popular, judge_trend(artifact, cases, ENCODERS[artifact.encoder], popular, Relevance.NEW)


def test_a_trend_is_recent_purchases_divided_by_usual_ones() -> None:
    data = interactions(
        [
            *(Event("a", "new", 80) for _ in range(8)),
            *(Event("b", "old", 0) for _ in range(8)),
            Event("c", "given back", 79),
            Event("c", "given back", 80, EventType.RETURN),
        ]
    )
    new, old, given_back = (data.item_ids.index(name) for name in ("new", "old", "given back"))
    trends = item_trends(data, NOW)
    share = RECENT_DAYS / USUAL_DAYS
    assert trends[new] == pytest.approx(np.log((8 + PRIOR) / (8 * share + PRIOR)), rel=1e-5)
    assert trends[old] < 0 < trends[new]
    assert trends[given_back] == 0


@personal
def test_every_family_gains_weight_times_trend_times_the_length_of_the_query(family: str) -> None:
    data = checkerboard(20)
    plain = fit(data, family)
    trending = with_trend(plain, data, int(data.ts[-1]), 0.3)
    gains = 0.3 * item_trends(data, int(data.ts[-1]))[[data.item_ids.index(item) for item in plain.item_ids]]
    assert np.ptp(gains) > 0
    weights = np.ones(3, np.float32)
    before, after = (
        ENCODERS[one.encoder](one.item_vectors[:3], weights, one.encoder_arrays, one.encoder_params)
        for one in (plain, trending)
    )
    expected = plain.item_vectors @ before + gains * np.linalg.norm(before)
    assert trending.item_vectors @ after == pytest.approx(expected, abs=1e-5)
    if len(plain.user_vectors):
        own = plain.user_vectors @ plain.item_vectors.T + np.linalg.norm(plain.user_vectors, axis=1)[:, None] * gains
        assert trending.user_vectors @ trending.item_vectors.T == pytest.approx(own, abs=1e-5)


@personal
def test_a_trend_is_no_part_of_an_items_direction(family: str) -> None:
    data = checkerboard(20)
    plain = fit(data, family)
    biases = [
        PersonEncoder(one.encoder, one.encoder_params, one.encoder_arrays).n_biases(one.item_vectors)
        for one in (plain, with_trend(plain, data, int(data.ts[-1]), 0.3))
    ]
    assert biases[1] == biases[0] + 1


def test_without_a_weight_the_artifact_stays_as_it_is() -> None:
    data = checkerboard(20)
    artifact = fit(data)
    assert with_trend(artifact, data, NOW, 0.0) is artifact


def test_where_seasons_change_a_trend_gains_and_as_much_as_was_judged() -> None:
    cases, artifact, popular, found = judged(seasons())
    assert found.weight > 0
    assert found.tried[found.weight] > 1.2 * found.tried[0.0]
    for weight, expected in found.tried.items():
        trending = with_trend(artifact, cases.fold.past, cases.fold.cut_s, weight)
        judgement = judge(trending, cases, ENCODERS[trending.encoder], popular)
        assert judgement.metrics[Relevance.NEW][PRIMARY] == pytest.approx(expected, abs=1e-6)


def test_a_model_with_one_list_for_everybody_has_no_trend() -> None:
    cases, _, popular, _ = judged(seasons())
    assert judge_trend(popular, cases, ENCODERS[popular.encoder], popular, Relevance.NEW) == Trend()


def test_serving_ranks_a_session_by_the_trend_and_explains_it_without(tmp_path: Path) -> None:
    data = seasons()
    plain = fit(data)
    trending = with_trend(plain, data, int(data.ts[-1]), 0.5)
    numbers = list(range(len(plain.item_ids)))
    session = (SessionItem(numbers[4], EventType.VIEW), SessionItem(numbers[2], EventType.CART))
    lists = []
    for name, artifact in (("plain", plain), ("trending", trending)):
        (tmp_path / name).mkdir()
        content = layer_content(Goods(numbers, artifact.item_vectors), encoder=dict(artifact.encoder_arrays))
        bundle = open_layers(
            [content], tmp_path / name, encoder=artifact.encoder, encoder_params=artifact.encoder_params
        )
        lists.append(rank(bundle, RankingRequest(n=10, session=session)))
        query = bundle.encode(np.array([4, 2], np.int32), np.array([0.2, 0.5], np.float32))
        expected = np.argsort(-(artifact.item_vectors @ query), kind="stable")
        assert [pick.item_no for pick in lists[-1]] == [no for no in expected if no not in (2, 4)][:10]
    trends = item_trends(data, int(data.ts[-1]))
    before, after = ([trends[pick.item_no] for pick in picks] for picks in lists)
    assert np.mean(after) > np.mean(before)
    assert {pick.cause.item_no for pick in lists[1]} <= {2, 4}
