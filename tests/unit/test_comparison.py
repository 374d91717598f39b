"""The comparison of models and the gate, without a bucket: the model that a shop's data select."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np
import pytest

from common.config import Purchased, Settings
from common.errors import RefusedError, StopCause, Stopped
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.evaluation.split import temporal_split
from common.models.base import TrainingData
from common.models.registry import make
from common.models.shape import DataShape
from common.schemas.data import Interactions
from common.schemas.documents import ModelInfo, RepeatPurchases
from common.usecases.train.comparison import Comparison, compare_models
from common.usecases.train.evaluator import POPULAR, Candidate, Decisions, Evaluator, Trial
from common.usecases.train.gate import FinalEvaluation
from common.usecases.train.model_selection import ModelSelection, TrainPlan, select_model
from common.usecases.train.workbench import Order, Workbench
from tests.shops import TINY, Event, interactions
from tests.unit.test_trend import seasons

SMALL_ALS: Final[dict[str, Any]] = {"factors": 4, "regularization": 0.1, "weighting": {"half_life_days": None}}
SETTINGS = Settings(
    bucket="shop-data",
    s3_endpoint="http://127.0.0.1:9",
    s3_access_key="access",
    s3_secret_key="secret",
    pseudonym_key="0" * 32,
    validation_days=10,
    test_days=10,
    tune_trials=0,
    threads=1,
)


def two_tastes(days: int = 60) -> Interactions:
    """40 people who buy from one of two shelves of 10, a new thing now and then, which a personal model can predict."""
    rng = np.random.default_rng(11)
    return interactions(
        Event(f"u{user:02}", f"i{10 * (user % 2) + rng.integers(10):02}", day + rng.random())
        for day in range(days)
        for user in rng.choice(40, 6, replace=False)
    )


def everybody_alike(days: int = 60) -> Interactions:
    """People who all buy the same few things, in turn: nothing to learn about single people."""
    return interactions(Event(f"u{(7 * day) % 20:02}", f"i{day % 3}", day) for day in range(days))


def served(family: str = "als", **params: Any) -> ModelInfo:
    trained_at = datetime(2026, 1, 1, tzinfo=UTC)
    return ModelInfo(family=family, version="v", dim=4, encoder="e", params=params, trained_at=trained_at)


def train_plan(**fields: Any) -> TrainPlan:
    usual: dict[str, Any] = {
        "families": ("als", "popular"),
        "evaluate": True,
        "deadline": time.monotonic() + 100,
        "served": None,
    }
    return TrainPlan(**usual | fields)


def quiet(text: str, done: float) -> None:
    pass


def chosen(data: Interactions, settings: Settings = SETTINGS, **fields: Any) -> ModelSelection:
    plan = train_plan(**{"shape": DataShape.of(data, settings.max_dim)} | fields)
    return select_model(bench_of(data, settings), plan, settings, quiet)


def bench_of(data: Interactions, settings: Settings = SETTINGS) -> Workbench:
    return Workbench(TrainingData(data), Order.of(settings))


def compare(
    data: Interactions, candidates: Sequence[Candidate], deadline: float, settings: Settings = SETTINGS
) -> Comparison:
    windows = bench_of(data, settings).windows()
    assert windows is not None
    comparison = compare_models(windows, candidates, settings, deadline, quiet)
    assert comparison is not None
    return comparison


def als(origin: Literal["default", "served"] = "default", **params: Any) -> Candidate:
    return Candidate(make("als", SMALL_ALS | params), origin)


def test_a_model_that_knows_people_wins_where_tastes_differ() -> None:
    choice = chosen(two_tastes())
    assert choice.models[0].family == "als"
    assert choice.refusal is None
    assert choice.summary["model"][Relevance.NEW][PRIMARY] > choice.summary["popular"][Relevance.NEW][PRIMARY]
    assert choice.summary["gain_over_popular"][Relevance.NEW]["low"] > 0
    served, model = choice.summary["as_served"], choice.summary["model"]
    assert served[Relevance.ALL]["people"] == model[Relevance.ALL]["people"]
    assert served != model


def test_the_relevance_follows_the_treatment_of_repeat_purchases() -> None:
    for purchased, relevance in ((Purchased.HIDE, Relevance.NEW), (Purchased.SHOW, Relevance.ALL)):
        settings = SETTINGS.model_copy(update={"purchased": purchased})
        assert chosen(two_tastes(), settings).summary["judged_by"] == f"{PRIMARY} of {relevance}"


def test_without_evaluation_the_served_model_keeps_its_treatment_of_repeat_purchases() -> None:
    model = served(**SMALL_ALS).model_copy(update={"repeats": RepeatPurchases(decision="boost", boost=0.5)})
    assert chosen(two_tastes(), evaluate=False, served=model).repeats == model.repeats
    assert chosen(two_tastes(), evaluate=False, families=("popular",), served=model).repeats is None
    judged = chosen(two_tastes(), served=model)
    assert judged.repeats != model.repeats
    assert judged.repeats is not None
    assert judged.full["repeats"]["decision"] == judged.repeats.decision


def test_without_evaluation_the_served_model_keeps_its_trend() -> None:
    model = served(**SMALL_ALS).model_copy(update={"encoder_params": {"alpha": 40.0, "trend": 0.7}})
    assert chosen(two_tastes(), evaluate=False, served=model).trend == 0.7
    assert chosen(two_tastes(), evaluate=False, families=("popular",), served=model).trend == 0
    judged = chosen(seasons(), served=model)
    assert judged.trend not in (0, 0.7)
    assert judged.full["trend"]["weight"] == judged.trend


def test_the_champion_as_served_has_the_trend_and_is_better_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a window of 14 days popular would find the season as well."""
    monkeypatch.setattr("common.evaluation.popular_window.WINDOWS", (28,))
    champion, as_served = compare(seasons(), [als()], time.monotonic() + 100).leaderboard[:2]
    assert champion.judgement is not None
    assert as_served.judgement is not None
    without, with_it = (
        judgement.metrics[Relevance.NEW][PRIMARY] for judgement in (champion.judgement, as_served.judgement)
    )
    assert with_it > 1.5 * without


def test_the_chosen_window_is_that_of_popular_everywhere() -> None:
    """Seasons of 20 days."""
    comparison = compare(seasons(), [], time.monotonic() + 100)
    days = comparison.window.days
    assert days < 28
    assert {evaluator.popular_days for evaluator in (comparison.evaluator, comparison.final.evaluator)} == {days}
    for one in (comparison.trials[-1], comparison.final.popular, comparison.final.winner):
        assert one.candidate.model.config.model_dump()["window_days"] == days
    selection = chosen(seasons(), families=("popular",))
    assert selection.popular_days == days
    assert [model.config.model_dump()["window_days"] for model in selection.models] == [days, days]


def test_a_choice_of_the_window_that_takes_too_long_leaves_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is at the end of the choice's share once its first window was judged."""

    def slow(*_: Any) -> np.ndarray:
        clock.now += 10.1
        return np.ones(3)

    clock = Clock()
    monkeypatch.setattr("common.evaluation.popular_window._ndcg", slow)
    monkeypatch.setattr("common.usecases.train.comparison.time.monotonic", lambda: clock.now)
    comparison = compare(seasons(), [], deadline=100.0)
    assert comparison.window.days == 28
    assert comparison.final.popular.candidate is POPULAR
    ended = "popular has the usual window, because its choice was ended: it took longer than 10 s"
    assert comparison.notices[0].startswith(ended)
    assert clock.now == 10.1


def test_selection_does_not_see_the_test_window() -> None:
    """Everything after the last cut is replaced, and every trial stays as it was."""
    data = two_tastes()
    split = temporal_split(data, 10, 10)
    assert split is not None
    assert split.test is not None
    last = data.ts >= split.test.cut_s
    other = replace(data, items=np.where(last, 0, data.items).astype(np.int32))
    candidates = [als(), als(alpha=30.0)]
    first, second = (compare(version, candidates, time.monotonic() + 100) for version in (data, other))
    for one, two in zip(first.trials, second.trials, strict=True):
        assert one.judgement.metrics == two.judgement.metrics
    assert first.final.winner.judgement.metrics != second.final.winner.judgement.metrics


def test_of_equal_candidates_the_first_wins() -> None:
    comparison = compare(two_tastes(), [als("served"), als("default")], time.monotonic() + 100)
    assert comparison.final.winner.candidate.origin == "served"


def test_without_time_nothing_is_judged_and_what_is_served_stays() -> None:
    spent = time.monotonic() - 1
    with pytest.raises(Stopped, match="the time budget was spent before a model was judged; what was served stays"):
        chosen(two_tastes(), deadline=spent, served=served(**SMALL_ALS))
    first_night = chosen(two_tastes(), deadline=spent)
    assert [model.family for model in first_night.models] == ["popular"]
    assert first_night.notices == ("not judged: the time budget was spent before a model was judged",)


def test_a_winner_that_cannot_be_fitted_again_gives_way_to_another_family(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = Evaluator.decide
    asked: list[str] = []

    def hanging_at_first(evaluator: Evaluator, candidate: Candidate, *arguments: Any) -> Decisions:
        asked.append(candidate.model.family)
        if len(asked) == 1:
            raise Stopped("it hangs")
        return decide(evaluator, candidate, *arguments)

    monkeypatch.setattr(Evaluator, "decide", hanging_at_first)
    lightfm = Candidate(make("lightfm", {"factors": 8, "epochs": 5}), "default")
    comparison = compare(two_tastes(), [als(), als(alpha=9.0), lightfm], time.monotonic() + 100)
    first, second = asked
    assert first != second
    assert comparison.final.winner.candidate.model.family == second
    assert [one.family for one in comparison.not_tried] == [first]
    assert f"{first} (default) was left out, out of time: it hangs" in comparison.notices


def test_without_time_for_the_test_window_validation_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(*_: Any) -> FinalEvaluation:
        raise Stopped("it hangs")

    monkeypatch.setattr("common.usecases.train.comparison.evaluate_on_test", hanging)
    comparison = compare(two_tastes(), [als()], time.monotonic() + 100)
    assert comparison.final.evaluator is comparison.evaluator
    assert comparison.final.winner is comparison.trials[0]
    assert "validation decided alone, because the test evaluation was ended: it hangs" in comparison.notices


@pytest.mark.parametrize("cause", [StopCause.OUT_OF_MEMORY, StopCause.CRASHED])
def test_a_family_whose_process_died_is_not_tried_again_and_costs_the_others_nothing(
    cause: StopCause, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = Evaluator.evaluate

    def dying(evaluator: Evaluator, candidate: Candidate, *arguments: Any, **options: Any) -> Trial:
        if candidate.model.family == "bpr":
            raise Stopped("its process is gone", cause)
        return evaluate(evaluator, candidate, *arguments, **options)

    monkeypatch.setattr(Evaluator, "evaluate", dying)
    bpr = [Candidate(make("bpr", {"factors": factors}), "start") for factors in (4, 8)]
    comparison = compare(two_tastes(), [*bpr, als()], time.monotonic() + 100)
    assert comparison.final.winner.candidate.model.family == "als"
    assert [one.begun for one in comparison.not_tried] == [True, False]
    words = {StopCause.OUT_OF_MEMORY: "out of memory", StopCause.CRASHED: "its process crashed"}[cause]
    assert comparison.notices[:2] == (
        f"bpr (start) was left out, {words}: its process is gone",
        "bpr (start) was not tried: the process of a trial of its family had died",
    )


def test_popular_does_not_replace_a_served_model_that_was_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = Evaluator.evaluate

    def hanging(evaluator: Evaluator, candidate: Candidate, *arguments: Any, **options: Any) -> Trial:
        if candidate.model.family == "als":
            raise Stopped("it hangs")
        return evaluate(evaluator, candidate, *arguments, **options)

    monkeypatch.setattr(Evaluator, "evaluate", hanging)
    refusal = chosen(two_tastes(), served=served(**SMALL_ALS)).refusal
    assert refusal is not None
    assert "popular replaces no model that was not judged: als (served) was left out, out of time: it hangs" in refusal
    assert chosen(two_tastes()).models[0].family == "popular"


def test_a_slow_family_does_not_use_the_time_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """BPR uses up its share, and is not tried again; ALS is."""
    evaluate = Evaluator.evaluate

    def slow(
        evaluator: Evaluator, candidate: Candidate, deadline: float = math.inf, *listener: Any, **options: Any
    ) -> Trial:
        if candidate.model.family == "bpr":
            clock.now = deadline + 1
            raise RefusedError("its fit took longer than its share")
        return evaluate(evaluator, candidate, math.inf, *listener, **options)

    clock = Clock()
    monkeypatch.setattr(Evaluator, "evaluate", slow)
    monkeypatch.setattr("common.usecases.train.comparison.time.monotonic", lambda: clock.now)
    bpr = [Candidate(make("bpr", {"factors": factors}), "start") for factors in (4, 8)]
    comparison = compare(two_tastes(), [als(), *bpr, als(alpha=9.0)], deadline=100.0)
    assert [trial.candidate.model.family for trial in comparison.trials] == ["als", "als", "popular"]
    assert "bpr (start) was not tried: the time budget was spent" in comparison.notices


@dataclass
class Clock:
    now: float = 0.0


def test_a_candidate_that_cannot_learn_is_named_and_left_out() -> None:
    comparison = compare(two_tastes(), [als(regularization=1e6)], time.monotonic() + 100)
    assert comparison.final.winner.candidate is POPULAR
    assert "als (default) was left out: als learned nothing" in comparison.notices[0]


def test_what_is_served_is_tried_first_and_no_settings_twice() -> None:
    """The served settings are those of a start, which is not tried again."""
    data = two_tastes()
    start = type(make("als"))(make("als").starts[-1]).suited(DataShape.of(data, SETTINGS.max_dim))
    params = start.config.model_dump(mode="json")
    trials = chosen(data, served=served(**params)).full["trials"]
    assert [trial["origin"] for trial in trials[:2]] == ["served", "default"]
    assert [trial["params"] for trial in trials].count(params) == 1


@pytest.mark.parametrize("model", [served("a_family_of_tomorrow"), served(a_setting_of_tomorrow=1)])
def test_served_settings_that_are_not_known_are_no_candidate(model: ModelInfo) -> None:
    origins = [trial["origin"] for trial in chosen(two_tastes(), served=model).full["trials"]]
    assert "served" not in origins


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    split = temporal_split(two_tastes(), 10, 10)
    assert split is not None
    return Evaluator(split.validation, None, seed=1, threads=1)


def test_a_fit_that_takes_more_than_its_share_is_stopped(evaluator: Evaluator) -> None:
    with pytest.raises(RefusedError, match="its share of the time budget"):
        evaluator.evaluate(als(), deadline=time.monotonic() - 1)


def trial(candidate: Candidate, ndcg: float) -> Trial:
    metrics = {relevance: {PRIMARY: ndcg} for relevance in Relevance}
    return Trial(candidate, Judgement(metrics, {relevance: np.array([ndcg]) for relevance in Relevance}), 0.0, 4)


class TestGate:
    def refusal(self, evaluator: Evaluator, winner: float, popular: float, served: float | None = None) -> str | None:
        others = trial(als("served"), served) if served is not None else None
        final = FinalEvaluation(evaluator, trial(als(), winner), trial(POPULAR, popular), others)
        return final.refusal(Relevance.NEW, gate_margin=0.1)

    def test_better_than_popular_passes_and_worse_does_not(self, evaluator: Evaluator) -> None:
        assert self.refusal(evaluator, winner=0.20, popular=0.20) is None
        refusal = self.refusal(evaluator, winner=0.19, popular=0.20)
        assert refusal is not None
        assert "worse than popular: ndcg@10 0.1900 against 0.2000" in refusal

    def test_much_worse_than_what_is_served_is_refused(self, evaluator: Evaluator) -> None:
        assert self.refusal(evaluator, winner=0.46, popular=0.1, served=0.5) is None
        refusal = self.refusal(evaluator, winner=0.44, popular=0.1, served=0.5)
        assert refusal is not None
        assert "more than 10% worse than what is served: ndcg@10 0.4400 against 0.5000" in refusal

    @pytest.mark.parametrize(("ours", "plain", "clearly"), [(0.2, 0.4, True), (0.4, 0.4, False), (0.4, 0.2, False)])
    def test_what_known_people_are_served_is_held_against_what_they_buy_most_often(
        self, evaluator: Evaluator, ours: float, plain: float, clearly: bool
    ) -> None:
        rng = np.random.default_rng(1)

        def by_people(ndcg: float) -> Judgement:
            people = ndcg + rng.normal(0, 0.1, 200)
            return replace(trial(als(), ndcg).judgement, primary={Relevance.ALL: people, Relevance.NEW: people})

        winner = replace(trial(als(), 0.3), as_served=by_people(ours))
        final = FinalEvaluation(evaluator, winner, trial(POPULAR, 0.1), None, floor=by_people(plain))
        below = final.below_floor(seed=1)
        assert (below is not None) is clearly
        assert replace(final, floor=None).below_floor(seed=1) is None
        assert below is None or "then popular: ndcg@10 0.1926 against 0.3910" in below


def test_purchases_are_put_first_where_the_test_window_shows_that_nothing_else_reaches_the_floor() -> None:
    """Validation would show popular as it is; in the test window people buy again what they bought most often."""
    comparison = compare(seasons(), [], time.monotonic() + 100)
    final, repeats = comparison.final, comparison.decisions.repeats
    assert repeats.show > repeats.put_forward
    assert (repeats.forced, repeats.decision) == (True, Purchased.BOOST)
    assert final.floor is not None
    assert final.winner.as_served is not None
    floor = final.floor.metrics[Relevance.ALL][PRIMARY]
    assert final.winner.as_served.metrics[Relevance.ALL][PRIMARY] >= floor - 0.005 > 0
    hiding = SETTINGS.model_copy(update={"purchased": Purchased.HIDE})
    assert not compare(seasons(), [], time.monotonic() + 100, hiding).decisions.repeats.forced


def test_a_winner_below_the_floor_is_replaced_by_popular_behind_each_persons_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FinalEvaluation, "below_floor", lambda *_: "als as served is clearly worse")
    choice = chosen(two_tastes(), served=served(**SMALL_ALS))
    assert choice.refusal is not None, "popular is much worse than what is served"
    choice = chosen(two_tastes())
    assert choice.models[0].family == "popular"
    assert choice.repeats is not None
    assert any("behind what each person buys most often" in notice for notice in choice.notices)


def worse_at_the_end() -> Interactions:
    """In the test window tastes are exchanged, and everybody buys one thing that was always popular."""
    data = two_tastes()
    split = temporal_split(data, 10, 10)
    assert split is not None
    assert split.test is not None
    gone = data.ts >= split.test.cut_s
    return replace(data, items=np.where(gone, (data.items + 10) % 20, data.items).astype(np.int32))


def test_a_winner_that_fails_the_test_evaluation_is_refused_and_the_served_model_stays() -> None:
    choice = chosen(worse_at_the_end(), served=served(**SMALL_ALS))
    assert choice.refusal is not None
    assert "worse than popular" in choice.refusal


def test_where_nothing_is_served_yet_popular_is_better_than_nothing() -> None:
    choice = chosen(worse_at_the_end())
    assert choice.refusal is None
    assert choice.models[0].family == "popular"
    assert choice.summary["model"] == choice.summary["popular"]
    assert "popular is published until a model is better" in choice.notices[-1]


@pytest.mark.parametrize("shop", TINY)
def test_every_tiny_shop_ends_with_a_model_to_fit(shop: str) -> None:
    choice = chosen(TINY[shop])
    assert choice.models[-1].family == "popular"
    assert choice.refusal is None


def test_without_evaluation_the_served_settings_are_fitted_again() -> None:
    choice = chosen(two_tastes(), evaluate=False, served=served(**SMALL_ALS))
    assert choice.models[0].config == make("als", SMALL_ALS).config
    assert choice.summary["judged_by"] is None
    suited = make("als").suited(DataShape.of(two_tastes(), SETTINGS.max_dim))
    assert chosen(two_tastes(), evaluate=False).models[0].config == suited.config


def test_families_that_are_asked_for_come_before_what_is_served() -> None:
    choice = chosen(two_tastes(), evaluate=False, families=("popular",), served=served(**SMALL_ALS))
    assert [model.family for model in choice.models] == ["popular", "popular"]


def test_people_who_are_all_alike_get_the_popular_list() -> None:
    settings = SETTINGS.model_copy(update={"purchased": Purchased.SHOW})
    choice = chosen(everybody_alike(), settings)
    assert choice.refusal is None
    assert choice.summary["model"][Relevance.ALL][PRIMARY] >= choice.summary["popular"][Relevance.ALL][PRIMARY]
