"""The comparison of models: trials on the validation window choose the winner, then the test window shows its worth.

The test window is used once, for the winner, for popular, and for the served model if another has won. Only the gate
acts on what it shows.
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
from common.usecases.train.evaluator import POPULAR, Candidate, Decisions, Evaluator, Served, Trial
from common.usecases.train.gate import FinalEvaluation, evaluate_on_test
from common.usecases.train.hyperparameter_search import search_settings, select_trial
from common.usecases.train.leaderboard import LeaderboardRow, RowKind, evaluate_baselines, evaluate_families, reserve_s

TRIALS_TO_COME: Final = 5
"""A trial may take this part of the time left, because should it win as many are to come: itself, the one that judges
repeated purchases, the one on the test window, the fit on everything, and the rest of the run. Where the slowest of its
family so far took more it is not begun."""

# Shares of the comparison's progress that are done when the baselines, the search and the test evaluation begin.
BASELINES_BEGIN: Final = 0.35
SEARCH_BEGINS: Final = 0.4
TRIALS_SHARE: Final = 0.8

ReportStep = Callable[[str, float], None]
"""Told what goes on, and how much of the whole is done."""


@dataclass(frozen=True)
class Comparison:
    """What a night's comparison has found.

    relevance: which purchases decided. evaluator: of the validation window; it judged the `trials`, popular's the last,
    and `decisions`, how the winner is to be served. final: the test evaluation. search: every trial of the search,
    stopped ones included. leaderboard: the rows for people to read, the champion first. newcomers: the metrics of the
    popular list for people without an event before the cut."""

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
    """The candidates against each other and popular; `deadline` is on the clock of `time.monotonic`.

    Of equals the first wins. None where the window holds nobody to judge by. Raises `RefusedError` where not even
    popular can learn from what came before it.
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
    step("judging what models are held against", BASELINES_BEGIN)
    baselines = evaluate_baselines(test_evaluator, deadline)
    step("searching for better settings", SEARCH_BEGINS)
    *tried, popular = trials
    search_ends = deadline - reserve_s(tried, deadline)
    found = search_settings(evaluator, relevance, tried, settings, search_ends, spare=TRIALS_TO_COME - 1)
    trials = [*tried, *found.trials, popular]
    winner = select_trial(trials, relevance, settings.seed)
    # Whatever time is left: what people are shown depends on it as much as on the model.
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
        search=found.records,
        decisions=decisions,
        leaderboard=(*leaderboard, *baselines),
        newcomers=test_evaluator.newcomers(),
    )


def _evaluate_candidates(
    evaluator: Evaluator, candidates: Sequence[Candidate], relevance: Relevance, deadline: float, step: ReportStep
) -> tuple[list[Trial], list[str]]:
    """In the candidates' order, popular last. Notices tell who was left out and why.

    The first is tried whatever time is left: it is what is served, and no other may replace it unseen.
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


def _first_rows(final: FinalEvaluation, winner: Trial, relevance: Relevance, served: Served) -> list[LeaderboardRow]:
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
    """As far as time to fit the winner on everything is left."""
    shown = [trial for trial in (final.winner, final.popular, final.served) if trial]
    other = None if final.evaluator is evaluator else final.evaluator
    return evaluate_families(other, trials, shown, relevance, deadline - final.winner.fit_s)
