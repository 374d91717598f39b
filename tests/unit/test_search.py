"""The search within a comparison: on a shop's data, and by hand-made trials."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.evaluation.split import temporal_split
from common.models.registry import make
from common.tuning.records import State
from common.usecases.train.comparison import Comparison
from common.usecases.train.evaluator import POPULAR, Candidate, Evaluator, Trial
from common.usecases.train.hyperparameter_search import SearchContext, SearchResult, search_settings, select_trial
from tests.unit.test_comparison import SETTINGS, als, chosen, compare, two_tastes

TUNED = SETTINGS.model_copy(update={"tune_trials": 10})
PEOPLE = np.random.default_rng(4).random(300)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    """Starts from an ALS with a very high alpha."""
    return compare(two_tastes(), [als(factors=64, regularization=0.01, alpha=200.0)], time.monotonic() + 100, TUNED)


def test_a_search_goes_on_from_what_was_tried_and_finds_better(comparison: Comparison) -> None:
    first, *tuned, popular = comparison.trials
    assert {trial.candidate.origin for trial in tuned} == {"tuned"}
    assert popular.candidate is POPULAR
    assert max(trial.score(comparison.relevance) for trial in tuned) > first.score(comparison.relevance)
    assert comparison.final.winner.candidate.origin == "tuned"


def test_every_trial_of_the_search_is_recorded(comparison: Comparison) -> None:
    done = [record for record in comparison.search if record.state is State.DONE]
    assert len(comparison.search) <= 10
    assert len(done) == len(comparison.trials) - 2
    assert {record.family for record in done} == {"als"}
    scores = [trial.score(comparison.relevance) for trial in comparison.trials[1:-1]]
    assert [record.score for record in done] == pytest.approx(scores)


def test_few_people_to_judge_by_allow_few_trials(comparison: Comparison) -> None:
    """One for each five people, the first one included."""
    people = len(comparison.trials[0].judgement.primary[comparison.relevance])
    assert people < 50
    assert 1 + len(comparison.search) == people // 5


def test_the_search_is_in_the_figures_as_plain_data() -> None:
    trials = json.loads(json.dumps(chosen(two_tastes(), TUNED).full))["search"]
    assert trials
    assert all(isinstance(trial["params"], dict) for trial in trials)


def test_what_the_winner_gains_by_putting_repeats_forward_is_in_the_figures() -> None:
    repeats = chosen(two_tastes()).full["repeats"]
    assert repeats["put_forward"] > repeats["hide"]
    assert repeats["boost"] > 0


def test_vectors_stay_within_the_setting() -> None:
    narrow = TUNED.model_copy(update={"max_dim": 20})
    comparison = compare(two_tastes(), [als()], time.monotonic() + 100, narrow)
    assert {trial.dim for trial in comparison.trials[1:-1]} == {16}


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    split = temporal_split(two_tastes(), 10, 10)
    assert split is not None
    return Evaluator(split.validation, None, seed=1, threads=1)


def searched(evaluator: Evaluator, tried: list[Trial], seconds: float) -> SearchResult:
    context = SearchContext(evaluator, Relevance.ALL, TUNED, "a search", time.monotonic() + seconds, spare=3)
    return search_settings(context, tried)


def test_without_time_nothing_is_searched(evaluator: Evaluator) -> None:
    assert not searched(evaluator, [evaluator.evaluate(als())], 0).trials


def test_a_family_that_came_to_nothing_is_not_searched(evaluator: Evaluator) -> None:
    assert not searched(evaluator, [], 100).records


class TestSelect:
    @staticmethod
    def trial(per_person: np.ndarray, dim: int, candidate: Candidate | None = None) -> Trial:
        metrics = {relevance: {PRIMARY: float(per_person.mean())} for relevance in Relevance}
        judgement = Judgement(metrics, dict.fromkeys(Relevance, per_person))
        return Trial(candidate or Candidate(make("als"), "tuned"), judgement, 0.1, dim)

    def test_for_a_difference_that_is_noise_the_narrower_wins(self) -> None:
        noise = np.random.default_rng(2).permutation(np.tile([0.05, -0.048], 150))
        popular = self.trial(PEOPLE - 0.3, 1, POPULAR)
        wide, narrow = self.trial(PEOPLE + noise, 256), self.trial(PEOPLE, 32)
        assert select_trial([wide, narrow, popular], Relevance.ALL, seed=1) is narrow
        sure = self.trial(PEOPLE + 0.001, 256)
        assert select_trial([sure, narrow, popular], Relevance.ALL, seed=1) is sure

    def test_popular_does_not_win_by_being_narrow_but_by_being_best(self) -> None:
        noise = np.random.default_rng(2).permutation(np.tile([0.05, -0.048], 150))
        model, level = self.trial(PEOPLE + noise, 64), self.trial(PEOPLE, 1, POPULAR)
        assert select_trial([model, level], Relevance.ALL, seed=1) is model
        better = self.trial(PEOPLE + 0.1, 1, POPULAR)
        assert select_trial([model, better], Relevance.ALL, seed=1) is better
