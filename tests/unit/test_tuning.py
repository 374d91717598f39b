from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
import pytest

from common.errors import RefusedError, SettingError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.space import Float, Space, Width
from common.schemas.data import F64
from common.tuning.best_trial import best_trial
from common.tuning.records import State, TrialRecord, resampled_means
from common.tuning.search import SearchPlan, search
from common.tuning.trial import Verdict, Watch

PEOPLE = np.random.default_rng(5).normal(0, 0.05, 400)
"""How much each person is above or below the mean, whatever the model."""


class HillConfig(ModelConfig):
    x: float = 0.9
    width: int = 64


class Hill(Model[HillConfig]):
    """Best at x = 0.3, whatever the width."""

    family: ClassVar[str] = "hill"
    capabilities: ClassVar[Capabilities] = Capabilities(False, False, False, True, (LearnsFrom.PURCHASES,))
    Config = HillConfig
    starts: ClassVar[tuple[ModelConfig, ...]] = (HillConfig(x=0.7),)
    search_space: ClassVar[Space] = {"x": Float(0.0, 1.0), "width": Width((32, 64, 128))}

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        raise NotImplementedError


class Flat(Hill):
    """Nothing to tune."""

    family: ClassVar[str] = "flat"
    starts: ClassVar[tuple[ModelConfig, ...]] = ()
    search_space: ClassVar[Space] = {}


def height(model: Model[ModelConfig], watch: Watch) -> Verdict:
    config = HillConfig.model_validate(model.config.model_dump())
    return Verdict(1 - (config.x - 0.3) ** 2 + PEOPLE, config.width)


def plan(**changes: Any) -> SearchPlan:
    defaults: dict[str, Any] = {
        "name": "test",
        "seed": 1,
        "deadline": time.monotonic() + 60,
        "max_width": 256,
        "max_trials": 12,
    }
    return SearchPlan(**(defaults | changes))


def score_of(record: TrialRecord) -> float:
    assert record.score is not None
    return record.score


def test_the_first_trials_are_the_last_winner_the_defaults_and_the_starts() -> None:
    records = search([Hill], height, plan(first={"hill": [{"x": 0.5, "width": 128, "gone": 1}]}, max_trials=4))
    assert [record.params["x"] for record in records[:3]] == [0.5, 0.9, 0.7]
    assert records[0].params == {"x": 0.5, "width": 128}
    assert [record.state for record in records] == [State.DONE] * 4


def test_the_search_finds_the_top_and_is_the_same_again() -> None:
    first, second = (search([Hill], height, plan(max_trials=30)) for _ in range(2))
    assert [record.params for record in first] == [record.params for record in second]
    assert max(map(score_of, first)) > max(map(score_of, first[:2])) + 0.1


def test_families_take_turns_and_one_without_a_space_has_one_trial() -> None:
    order: list[str] = []

    def note(model: Model[ModelConfig], watch: Watch) -> Verdict:
        order.append(model.family)
        return height(model, watch)

    records = search([Hill, Flat], note, plan(max_trials=3))
    assert order == ["hill", "flat", "hill", "hill"]
    assert [(record.family, record.number) for record in records] == [
        ("hill", 0),
        ("hill", 1),
        ("hill", 2),
        ("flat", 0),
    ]


def test_no_vectors_wider_than_the_bound_are_tried() -> None:
    records = search([Hill], height, plan(max_width=64, first={"hill": [{"width": 128}]}))
    assert {record.width for record in records} <= {32, 64}
    assert records[0].params["width"] == 64


def test_a_trial_worse_on_its_way_than_most_is_pruned_with_its_curve() -> None:
    def climb(model: Model[ModelConfig], watch: Watch) -> Verdict:
        verdict = height(model, watch)
        for step in range(1, 4):
            watch.score(step, float(verdict.per_person.mean()) * step / 3)
        return verdict

    records = search([Hill], climb, plan(max_trials=30))
    pruned = [record for record in records if record.state is State.PRUNED]
    assert pruned
    assert all(record.curve and record.score is None for record in pruned)
    best = best_trial(records)
    assert best is not None
    assert best.state is State.DONE


def test_a_refused_trial_is_recorded_with_its_reason_and_the_search_goes_on() -> None:
    def refuse(model: Model[ModelConfig], watch: Watch) -> Verdict:
        verdict = height(model, watch)
        if verdict.per_person.mean() < 0.7:
            raise RefusedError("gone to infinity")
        return verdict

    records = search([Hill], refuse, plan())
    assert (records[0].state, records[0].reason, records[0].score) == (State.REFUSED, "gone to infinity", None)
    assert State.DONE in {record.state for record in records}


def test_the_first_trial_of_a_family_gets_its_share_of_the_time_and_leaves_the_others_theirs() -> None:
    def endless(model: Model[ModelConfig], watch: Watch) -> Verdict:
        while model.family == "hill":
            watch.time()
        return height(model, watch)

    records = search([Hill, Flat], endless, plan(deadline=time.monotonic() + 0.2))
    assert [(record.family, record.state) for record in records] == [("hill", State.OUT_OF_TIME), ("flat", State.DONE)]


def test_an_error_of_the_program_is_not_swallowed() -> None:
    def broken(model: Model[ModelConfig], watch: Watch) -> Verdict:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        search([Hill], broken, plan())


def test_a_database_out_of_reach_is_a_setting_error_that_keeps_the_password() -> None:
    url = "postgresql+psycopg://recsys:s3cret@127.0.0.1:1/trials"
    with pytest.raises(SettingError, match="RECSYS_OPTUNA_STORAGE") as error:
        search([Hill], height, plan(storage_url=url))
    assert "s3cret" not in str(error.value)


def test_a_record_is_plain_data() -> None:
    (record,) = search([Flat], height, plan())
    assert set(record.as_dict()) == {
        "family", "number", "params", "state", "seconds", "score", "width", "reason", "curve",
        "began_s",
    }  # fmt: skip


def uneven_gain() -> F64:
    """A thousandth on average, and fifty times as much up or down for a person."""
    gain = np.random.default_rng(2).normal(0, 0.05, len(PEOPLE))
    return gain - float(gain.mean()) + 0.001


class TestChoice:
    @staticmethod
    def record(number: int, per_person: F64, width: int) -> TrialRecord:
        resampled = tuple(resampled_means(per_person, seed=1))
        return TrialRecord("hill", number, {}, State.DONE, 1.0, float(per_person.mean()), width, resampled=resampled)

    def test_of_trials_that_cannot_be_told_apart_the_narrowest_is_taken(self) -> None:
        wide, narrow = self.record(0, 1 + PEOPLE + uneven_gain(), 256), self.record(1, 1 + PEOPLE, 32)
        assert score_of(wide) > score_of(narrow)
        assert best_trial([wide, narrow]) is narrow

    def test_a_sure_difference_is_worth_its_width(self) -> None:
        """As small a difference, but the same for everybody."""
        wide, narrow = self.record(0, 1 + PEOPLE + 0.001, 256), self.record(1, 1 + PEOPLE, 32)
        assert best_trial([narrow, wide]) is wide

    def test_narrowness_is_not_worth_more_than_a_twentieth(self) -> None:
        """Five people leave an interval as wide as the scores."""
        few = np.array([0.9, 0.1, 0.5, 0.2, 0.3])
        wide, narrow = self.record(0, few + np.array([-0.3, 0.3, 0.2, 0.3, -0.25]), 256), self.record(1, few, 32)
        assert score_of(wide) > 1.1 * score_of(narrow)
        assert best_trial([wide, narrow]) is wide

    def test_of_equal_widths_the_best_is_taken(self) -> None:
        better, worse = self.record(0, 1 + PEOPLE + uneven_gain(), 64), self.record(1, 1 + PEOPLE, 64)
        assert best_trial([worse, better]) is better

    def test_nothing_done_nothing_chosen(self) -> None:
        assert best_trial([TrialRecord("hill", 0, {}, State.REFUSED, 1.0, reason="no")]) is None
