"""The comparison of models: trials on the validation window choose the winner, the test window measures it.

The test window is used once, for the winner, for popular, and for the served model if another has won. Only the gate
depends on its figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from common.config import Purchased, Settings
from common.errors import Stopped
from common.evaluation.cases import Relevance
from common.evaluation.popular_window import PopularWindow
from common.models.shape import DataShape
from common.tuning.records import TrialRecord
from common.usecases.train.candidate_round import (
    CANDIDATES_SHARE,
    TRIALS_TO_COME,
    CandidateRound,
    NotTried,
    ReportStep,
)
from common.usecases.train.deadlines import USUAL_TIMES, step_ends
from common.usecases.train.evaluator import Candidate, Decisions, Judging, ServingSettings, Trial
from common.usecases.train.gate import FinalEvaluation, evaluate_on_test, without_test
from common.usecases.train.hyperparameter_search import (
    SearchContext,
    record_of_trial,
    search_name,
    search_settings,
    select_trial,
)
from common.usecases.train.leaderboard import (
    LeaderboardRow,
    RowKind,
    evaluate_baselines,
    evaluate_families,
    floor_of,
    not_comparable,
    reserve_s,
)
from common.usecases.train.learned import Learned, known_records, with_learned
from common.usecases.train.workbench import Windows

WINDOW_SHARE: Final = 0.1
"""Share of the time left that the choice of the window of what is popular may take."""

# Shares of the comparison's progress that are done when the search and the test evaluation begin.
SEARCH_BEGINS: Final = 0.4
TRIALS_SHARE: Final = 0.8

Remember = Callable[[str, TrialRecord], None]
"""Called with the name of the search and each finished trial of it."""


def _forget(search: str, record: TrialRecord) -> None:
    pass


@dataclass(frozen=True)
class Comparison:
    """The result of a night's comparison.

    relevance: which purchases decided
    evaluator: of the validation window; it judged the `trials`, the last of which is popular's
    final: the test evaluation
    decisions: how to serve the winner
    window: of what is popular
    search: every trial of the search, stopped ones included
    leaderboard: the rows for reading, the champion first
    newcomers: the metrics of the popular list for people without an event before the cut
    not_tried: the candidates that have no trial
    popular_decisions: how to serve popular where it may have to replace the winner
    """

    relevance: Relevance
    evaluator: Judging
    trials: tuple[Trial, ...]
    final: FinalEvaluation
    notices: tuple[str, ...]
    decisions: Decisions
    window: PopularWindow = field(default_factory=PopularWindow)
    search: tuple[TrialRecord, ...] = ()
    leaderboard: tuple[LeaderboardRow, ...] = ()
    newcomers: dict[str, float] = field(default_factory=dict)
    not_tried: tuple[NotTried, ...] = ()
    popular_decisions: Decisions | None = None

    @property
    def served_ended(self) -> NotTried | None:
        """The served model, where its trial was ended or never begun."""
        return next((one for one in self.not_tried if one.origin == "served" and one.cause), None)


def compare_models(
    windows: Windows,
    candidates: Sequence[Candidate],
    settings: Settings,
    deadline: float,
    step: ReportStep,
    earlier: Sequence[Learned] = (),
    remember: Remember = _forget,
    shape: DataShape | None = None,
) -> Comparison | None:
    """Compares the candidates with each other and with popular.

    `deadline` is on the clock of `time.monotonic`; `earlier` is what trainings had learned that were killed; `shape`
    bounds what the search tries. Of equal trials the first wins. Returns None where the window has nobody to judge by.
    Raises `Stopped` where there was not even time to judge popular.
    """
    evaluator = windows.validation
    relevance = evaluator.window.relevance(settings.purchased)
    if relevance is None:
        return None
    window, notices = _choose_window(evaluator, relevance, deadline)
    for one in windows:
        if one:
            one.popular_days = window.days
    search = search_name(evaluator.window, relevance, window.days, settings.seed)
    candidates = with_learned(candidates, earlier, search)
    rounds = CandidateRound(evaluator, relevance, deadline, step)
    trials, not_tried, kept_s = rounds.evaluate(
        candidates, lambda trial: remember(search, _record(trial, relevance, settings))
    )
    notices += [str(one) for one in not_tried]
    test_evaluator = windows.test or evaluator
    if test_evaluator.window.relevance(settings.purchased) is not relevance:
        test_evaluator = evaluator
        notices.append("the test window has nobody to judge by: validation decided alone")
    step("judging the baselines", CANDIDATES_SHARE)
    baselines = evaluate_baselines(test_evaluator, deadline - kept_s)
    step("searching for better settings", SEARCH_BEGINS)
    *tried, popular = trials
    search_context = SearchContext(
        evaluator=evaluator,
        relevance=relevance,
        settings=settings,
        name=search,
        deadline=deadline - reserve_s(tried, deadline),
        spare=TRIALS_TO_COME - 1,
        known=tuple(known_records(earlier, search)),
        finished=lambda trial: remember(search, _record(trial, relevance, settings)),
        shape=shape,
    )
    searched = search_settings(search_context, tried)
    trials = [*tried, *searched.trials, popular]
    winner, decisions, dropped = _decide(evaluator, trials, relevance, settings, deadline)
    notices += [str(one) for one in dropped]
    step("evaluating on the test window", TRIALS_SHARE)
    served = decisions.served(settings.purchased)
    try:
        final = evaluate_on_test(test_evaluator, evaluator, trials, winner, served, deadline)
    except Stopped as stop:
        final = without_test(evaluator, trials, winner)
        baselines = not_comparable(baselines) if test_evaluator is not evaluator else baselines
        notices.append(f"validation decided alone, because the test evaluation was ended: {stop.message}")
    if test_evaluator is final.evaluator and settings.purchased in (Purchased.AUTO, Purchased.BOOST):
        final, decisions = _with_floor(replace(final, floor=floor_of(baselines)), decisions, settings, deadline)
        served = decisions.served(settings.purchased)
    replaced = final.refusal(relevance, settings.gate_margin) or final.below_floor(settings.seed)
    leaderboard = (
        *_first_rows(final, winner, relevance, served),
        *_families(final, evaluator, trials, relevance, deadline),
    )
    return Comparison(
        relevance=relevance,
        evaluator=evaluator,
        trials=tuple(trials),
        final=final,
        notices=tuple(notices),
        search=searched.records,
        decisions=decisions,
        window=window,
        leaderboard=(*leaderboard, *baselines),
        newcomers=_newcomers(test_evaluator),
        not_tried=(*not_tried, *dropped),
        popular_decisions=_decide_popular(evaluator, final, popular, relevance, deadline) if replaced else None,
    )


def _with_floor(
    final: FinalEvaluation, decisions: Decisions, settings: Settings, deadline: float
) -> tuple[FinalEvaluation, Decisions]:
    """The test evaluation with its floor, and the decisions. A winner that is below it as it was to be served is judged
    once more, with all purchases put first."""
    if final.below_floor(settings.seed) is None:
        return final, decisions
    first = replace(decisions, repeats=decisions.repeats.with_purchases_first())
    ends = step_ends(deadline, final.winner.fit_s)
    try:
        winner = final.evaluator.evaluate(
            final.winner.candidate, ends, served=first.served(settings.purchased), keep=True
        )
    except Stopped:
        return final, decisions
    popular = winner if final.popular is final.winner else final.popular
    return replace(final, winner=winner, popular=popular), first


def _decide_popular(
    evaluator: Judging, final: FinalEvaluation, popular: Trial, relevance: Relevance, deadline: float
) -> Decisions | None:
    """How to serve popular in place of the winner; None where there is no time to find out."""
    try:
        decisions = evaluator.decide(popular.candidate, relevance, deadline)
    except Stopped:
        return None
    if final.floor is None:
        return decisions
    return replace(decisions, repeats=decisions.repeats.with_purchases_first())


def _choose_window(evaluator: Judging, relevance: Relevance, deadline: float) -> tuple[PopularWindow, list[str]]:
    """The window of what is popular, the usual one where the choice has to be ended; and the notices."""
    now = time.monotonic()
    try:
        return evaluator.choose_window(relevance, now + WINDOW_SHARE * (deadline - now)), []
    except Stopped as stop:
        return PopularWindow(), [f"popular has the usual window, because its choice was ended: {stop.message}"]


def _record(trial: Trial, relevance: Relevance, settings: Settings) -> TrialRecord:
    return record_of_trial(0, trial, relevance, settings.seed)


def _decide(
    evaluator: Judging, trials: Sequence[Trial], relevance: Relevance, settings: Settings, deadline: float
) -> tuple[Trial, Decisions, list[NotTried]]:
    """The winner, and how to serve it. A winner that cannot be fitted once more is dropped with its family, because it
    could not be published either; popular can.

    Raises `Stopped` where the time is over.
    """
    left = list(trials)
    dropped: list[NotTried] = []
    while True:
        winner = select_trial(left, relevance, settings.seed)
        try:
            ends = step_ends(deadline, 2 * winner.fit_s)
            return winner, evaluator.decide(winner.candidate, relevance, ends), dropped
        except Stopped as stop:
            if winner is trials[-1]:
                raise
            dropped.append(NotTried.after(winner.candidate, stop))
            left = [trial for trial in left if trial.candidate.model.family != winner.candidate.model.family]


def _newcomers(evaluator: Judging) -> dict[str, float]:
    try:
        return evaluator.newcomers()
    except Stopped:
        return {}


def _first_rows(
    final: FinalEvaluation, winner: Trial, relevance: Relevance, served: ServingSettings
) -> list[LeaderboardRow]:
    rows = [LeaderboardRow.of_trial(RowKind.CHAMPION, final.winner, winner.score(relevance))]
    if final.winner.as_served and (served.repeats.decision != "show" or served.trend):
        rows.append(LeaderboardRow.as_served(final.winner, served.repeats.decision))
    if final.served:
        rows.append(LeaderboardRow.of_trial(RowKind.SERVED, final.served))
    if final.popular is not final.winner:
        rows.append(LeaderboardRow.of_trial(RowKind.FAMILY, final.popular))
    return rows


def _families(
    final: FinalEvaluation, evaluator: Judging, trials: Sequence[Trial], relevance: Relevance, deadline: float
) -> list[LeaderboardRow]:
    """The rows of the other families, as far as there is time beside the fit of the winner on all data."""
    shown = [trial for trial in (final.winner, final.popular, final.served) if trial]
    other = None if final.evaluator is evaluator else final.evaluator
    return evaluate_families(other, trials, shown, relevance, deadline - USUAL_TIMES * final.winner.fit_s)
