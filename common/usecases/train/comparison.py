"""The comparison of models: trials on the validation window choose the winner, the test window measures it.

The test window is used once, for the winner, for popular, and for the served model if another has won. Only the gate
depends on its figures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.evaluation.split import Split
from common.schemas.data import Catalogue
from common.tuning.records import TrialRecord
from common.usecases.train.evaluator import POPULAR, Candidate, Decisions, Evaluator, ServingSettings, Trial
from common.usecases.train.gate import FinalEvaluation, evaluate_on_test
from common.usecases.train.hyperparameter_search import search_settings, select_trial
from common.usecases.train.leaderboard import LeaderboardRow, RowKind, evaluate_baselines, evaluate_families, reserve_s

TRIALS_TO_COME: Final = 5
"""A candidate may take the time left divided by this. If it wins, as many steps of about its length follow: its own
trial, the judgement of repeat purchases, the test evaluation, the fit on all data, and the rest of the run. It is not
begun where the slowest trial of its family took longer than its share."""

# Shares of the comparison's progress that are done when the baselines, the search and the test evaluation begin.
BASELINES_BEGIN: Final = 0.35
SEARCH_BEGINS: Final = 0.4
TRIALS_SHARE: Final = 0.8

ReportStep = Callable[[str, float], None]
"""Called with the name of a step and the share of the comparison that is done."""


@dataclass(frozen=True)
class Comparison:
    """The result of a night's comparison.

    relevance: which purchases decided
    evaluator: of the validation window; it judged the `trials`, the last of which is popular's
    final: the test evaluation
    decisions: how to serve the winner
    search: every trial of the search, stopped ones included
    leaderboard: the rows for reading, the champion first
    newcomers: the metrics of the popular list for people without an event before the cut
    """

    relevance: Relevance
    evaluator: Evaluator
    trials: tuple[Trial, ...]
    final: FinalEvaluation
    notices: tuple[str, ...]
    decisions: Decisions
    search: tuple[TrialRecord, ...] = ()
    leaderboard: tuple[LeaderboardRow, ...] = ()
    newcomers: dict[str, float] = field(default_factory=dict)


def compare_models(
    split: Split,
    catalogue: Catalogue | None,
    candidates: Sequence[Candidate],
    settings: Settings,
    threads: int,
    deadline: float,
    step: ReportStep,
) -> Comparison | None:
    """Compares the candidates with each other and with popular.

    `deadline` is on the clock of `time.monotonic`. Of equal trials the first wins. Returns None where the window has
    nobody to judge by. Raises `RefusedError` where not even popular can learn from the data before it.
    """
    evaluator = Evaluator(split.validation, catalogue, settings.seed, threads)
    relevance = evaluator.relevance(settings.purchased)
    if relevance is None:
        return None
    trials, notices = _evaluate_candidates(evaluator, candidates, relevance, deadline, step)
    test_evaluator = Evaluator(split.test, catalogue, settings.seed, threads) if split.test else evaluator
    if test_evaluator.relevance(settings.purchased) is not relevance:
        test_evaluator = evaluator
        notices.append("the test window has nobody to judge by: validation decided alone")
    step("judging the baselines", BASELINES_BEGIN)
    baselines = evaluate_baselines(test_evaluator, deadline)
    step("searching for better settings", SEARCH_BEGINS)
    *tried, popular = trials
    search_ends = deadline - reserve_s(tried, deadline)
    searched = search_settings(evaluator, relevance, tried, settings, search_ends, spare=TRIALS_TO_COME - 1)
    trials = [*tried, *searched.trials, popular]
    winner = select_trial(trials, relevance, settings.seed)
    # Done even if no time is left, because the recommendations depend on it as much as on the model.
    decisions = evaluator.decide(winner.candidate, relevance)
    step("evaluating on the test window", TRIALS_SHARE)
    served = decisions.served(settings.purchased)
    final = evaluate_on_test(test_evaluator, evaluator, trials, winner, served)
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
        leaderboard=(*leaderboard, *baselines),
        newcomers=test_evaluator.newcomers(),
    )


def _evaluate_candidates(
    evaluator: Evaluator, candidates: Sequence[Candidate], relevance: Relevance, deadline: float, step: ReportStep
) -> tuple[list[Trial], list[str]]:
    """The trials in the candidates' order, popular last, and notices of candidates that were left out.

    The first candidate is tried even if no time is left: it is what is served, and must not be replaced without a
    comparison.
    """
    popular = evaluator.evaluate(POPULAR)
    trials: list[Trial] = []
    notices: list[str] = []
    slowest_s: dict[str, float] = {}
    for number, candidate in enumerate(candidates):
        step(f"judging {candidate}", BASELINES_BEGIN * number / len(candidates))
        start = time.monotonic()
        share_s = (deadline - start) / TRIALS_TO_COME if number else math.inf
        family_s = slowest_s.get(candidate.model.family, 0.0)
        if share_s <= family_s:
            notices.append(f"{candidate} was not tried: the time budget was spent")
            continue
        try:
            trials.append(_with_curve(evaluator, candidate, relevance, start + share_s))
        except RefusedError as refusal:
            notices.append(f"{candidate} was left out: {refusal.message}")
        slowest_s[candidate.model.family] = max(family_s, time.monotonic() - start)
    return [*trials, popular], notices


def _with_curve(evaluator: Evaluator, candidate: Candidate, relevance: Relevance, deadline: float) -> Trial:
    curve: dict[int, float] = {}

    def note(step: int, judgement: Judgement) -> None:
        curve[step] = judgement.metrics[relevance].get(PRIMARY, 0.0)

    return replace(evaluator.evaluate(candidate, deadline, note), curve=curve)


def _first_rows(
    final: FinalEvaluation, winner: Trial, relevance: Relevance, served: ServingSettings
) -> list[LeaderboardRow]:
    rows = [LeaderboardRow.of_trial(RowKind.CHAMPION, final.winner, winner.score(relevance))]
    if served.repeats.decision != "show" or served.trend:
        rows.append(LeaderboardRow.as_served(final.winner, served.repeats.decision))
    if final.served:
        rows.append(LeaderboardRow.of_trial(RowKind.SERVED, final.served))
    if final.popular is not final.winner:
        rows.append(LeaderboardRow.of_trial(RowKind.FAMILY, final.popular))
    return rows


def _families(
    final: FinalEvaluation, evaluator: Evaluator, trials: Sequence[Trial], relevance: Relevance, deadline: float
) -> list[LeaderboardRow]:
    """The rows of the other families, as far as there is time beside the fit of the winner on all data."""
    shown = [trial for trial in (final.winner, final.popular, final.served) if trial]
    other = None if final.evaluator is evaluator else final.evaluator
    return evaluate_families(other, trials, shown, relevance, deadline - final.winner.fit_s)
