"""The search within a contest: on a shop's own data, and by hand-made trials."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from common.evaluation.cases import Question
from common.evaluation.judge import PRIMARY, Judgement
from common.evaluation.split import temporal_split
from common.models.registry import make
from common.tuning.records import State
from common.usecases.contest import Outcome
from common.usecases.search import hold_search, select
from common.usecases.trials import POPULAR, Candidate, Stage, Trial
from tests.unit.test_contest import SETTINGS, als, chosen, contest, two_tastes

TUNED = SETTINGS.model_copy(update={"tune_trials": 10})
PEOPLE = np.random.default_rng(4).random(300)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """From an ALS that has been told to believe all that it sees."""
    return contest(two_tastes(), [als(factors=64, regularization=0.01, alpha=200.0)], time.monotonic() + 100, TUNED)


def test_a_search_goes_on_from_what_was_tried_and_finds_better(outcome: Outcome) -> None:
    first, *tuned, popular = outcome.trials
    assert {trial.candidate.origin for trial in tuned} == {"tuned"}
    assert popular.candidate is POPULAR
    assert max(trial.score(outcome.question) for trial in tuned) > first.score(outcome.question)
    assert outcome.finals.winner.candidate.origin == "tuned"


def test_every_trial_of_the_search_is_recorded(outcome: Outcome) -> None:
    done = [record for record in outcome.search if record.state is State.DONE]
    assert len(outcome.search) <= 10
    assert len(done) == len(outcome.trials) - 2
    assert {record.family for record in done} == {"als"}
    scores = [trial.score(outcome.question) for trial in outcome.trials[1:-1]]
    assert [record.score for record in done] == pytest.approx(scores)


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
    outcome = contest(two_tastes(), [als()], time.monotonic() + 100, narrow)
    assert {trial.dim for trial in outcome.trials[1:-1]} == {16}


@pytest.fixture(scope="module")
def stage() -> Stage:
    split = temporal_split(two_tastes(), 10, 10)
    assert split is not None
    return Stage(split.validation, None, seed=1, threads=1)


def test_without_time_nothing_is_searched(stage: Stage) -> None:
    tried = [stage.hold_trial(als())]
    assert not hold_search(stage, Question.ALL, tried, TUNED, time.monotonic(), spare=3).trials


def test_a_family_that_came_to_nothing_is_not_searched(stage: Stage) -> None:
    assert not hold_search(stage, Question.ALL, [], TUNED, time.monotonic() + 100, spare=3).records


class TestSelect:
    @staticmethod
    def trial(per_person: np.ndarray, dim: int, candidate: Candidate | None = None) -> Trial:
        metrics = {question: {PRIMARY: float(per_person.mean())} for question in Question}
        judgement = Judgement(metrics, dict.fromkeys(Question, per_person))
        return Trial(candidate or Candidate(make("als"), "tuned"), judgement, 0.1, dim)

    def test_for_a_difference_that_is_noise_the_narrower_wins(self) -> None:
        noise = np.random.default_rng(2).permutation(np.tile([0.05, -0.048], 150))
        popular = self.trial(PEOPLE - 0.3, 1, POPULAR)
        wide, narrow = self.trial(PEOPLE + noise, 256), self.trial(PEOPLE, 32)
        assert select([wide, narrow, popular], Question.ALL, seed=1) is narrow
        sure = self.trial(PEOPLE + 0.001, 256)
        assert select([sure, narrow, popular], Question.ALL, seed=1) is sure

    def test_popular_does_not_win_by_being_narrow_but_by_being_best(self) -> None:
        noise = np.random.default_rng(2).permutation(np.tile([0.05, -0.048], 150))
        model, level = self.trial(PEOPLE + noise, 64), self.trial(PEOPLE, 1, POPULAR)
        assert select([model, level], Question.ALL, seed=1) is model
        better = self.trial(PEOPLE + 0.1, 1, POPULAR)
        assert select([model, better], Question.ALL, seed=1) is better
