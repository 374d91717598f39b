"""Which model is to be published: trials on the validation window, then one look at the test window.

Selection looks at validation only. The test window is looked at once, for the winner, for popular, and for what is
served now if others have won; only the gate acts on what it shows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.cases import Question
from common.evaluation.judge import PRIMARY, Judgement
from common.evaluation.split import Split
from common.schemas.data import Catalogue
from common.tuning.records import TrialRecord
from common.usecases.search import hold_search, select
from common.usecases.standings import Kind, Standing, hold_baselines, hold_families, reserve_s
from common.usecases.trials import POPULAR, Candidate, Decisions, Served, Stage, Trial

TRIALS_TO_COME: Final = 5
"""A trial may take this part of the time left, because should it win as many are to come: itself, the one that judges
repeated purchases, the one on the test window, the fit on everything, and the rest of the run. Where the slowest of its
family so far took more it is not begun."""

# Shares of the contest's progress that are done when the baselines, the search and the last look begin.
BASELINES_BEGIN: Final = 0.35
SEARCH_BEGINS: Final = 0.4
TRIALS_SHARE: Final = 0.8

Step = Callable[[str, float], None]
"""Told what goes on, and how much of the whole is done."""


@dataclass(frozen=True)
class Finals:
    """The last look: the winner, popular (the same trial if it has won), and what is served if others have won."""

    stage: Stage
    winner: Trial
    popular: Trial
    served: Trial | None

    def refusal(self, question: Question, gate_margin: float) -> str | None:
        """Why the winner must not be published; None if it may be."""
        score, floor = self.winner.score(question), self.popular.score(question)
        if score < floor:
            return (
                f"{self.winner.candidate} is worse than popular: {PRIMARY} {score:.4f} against {floor:.4f}, {question}"
            )
        served = self.served.score(question) if self.served else 0.0
        if score < served * (1 - gate_margin):
            return (
                f"{self.winner.candidate} is more than {gate_margin:.0%} worse than what is served: "
                f"{PRIMARY} {score:.4f} against {served:.4f}, {question}"
            )
        return None


@dataclass(frozen=True)
class Outcome:
    """`question` has decided between the `trials` that were held on `stage`, popular's the last. `search` records all
    that was searched, what was broken off included. `decisions` are on the same stage too: how the winner is to be
    served. `standings` are the night's table, the champion first; `newcomers` what the
    popular list is worth to people whom nothing is known of."""

    question: Question
    stage: Stage
    trials: tuple[Trial, ...]
    finals: Finals
    notices: tuple[str, ...]
    decisions: Decisions
    search: tuple[TrialRecord, ...] = ()
    standings: tuple[Standing, ...] = ()
    newcomers: dict[str, float] = field(default_factory=dict)


def hold_contest(
    split: Split,
    catalogue: Catalogue | None,
    candidates: Sequence[Candidate],
    settings: Settings,
    threads: int,
    deadline: float,
    step: Step,
) -> Outcome | None:
    """The candidates against each other and popular; `deadline` is on the clock of `time.monotonic`.

    Of equals the first wins. None where the window holds nobody to judge by. Raises `RefusedError` where not even
    popular can learn from what came before it.
    """
    stage = Stage(split.validation, catalogue, settings.seed, threads)
    question = stage.question(settings.purchased)
    if question is None:
        return None
    trials, notices = _hold_trials(stage, candidates, question, deadline, step)
    final_stage = Stage(split.test, catalogue, settings.seed, threads) if split.test else stage
    if final_stage.question(settings.purchased) is not question:
        final_stage = stage
        notices.append("the test window has nobody to judge by: validation decided alone")
    step("judging what models are held against", BASELINES_BEGIN)
    baselines = hold_baselines(final_stage, deadline)
    step("searching for better settings", SEARCH_BEGINS)
    *tried, popular = trials
    search_ends = deadline - reserve_s(tried, deadline)
    found = hold_search(stage, question, tried, settings, search_ends, spare=TRIALS_TO_COME - 1)
    trials = [*tried, *found.trials, popular]
    winner = select(trials, question, settings.seed)
    # Whatever time is left: what people are shown depends on it as much as on the model.
    decisions = stage.decide(winner.candidate, question)
    step("taking the last look", TRIALS_SHARE)
    served = decisions.served(settings.purchased)
    finals = _hold_finals(final_stage, stage, trials, winner, served)
    standings = (*_first_rows(finals, winner, question, served), *_families(finals, stage, trials, question, deadline))
    return Outcome(
        question=question,
        stage=stage,
        trials=tuple(trials),
        finals=finals,
        notices=tuple(notices),
        search=found.records,
        decisions=decisions,
        standings=(*standings, *baselines),
        newcomers=final_stage.newcomers(),
    )


def _hold_trials(
    stage: Stage, candidates: Sequence[Candidate], question: Question, deadline: float, step: Step
) -> tuple[list[Trial], list[str]]:
    """In the candidates' order, popular last. Notices tell who was left out and why.

    The first is tried whatever time is left: it is what is served, and no other may replace it unseen.
    """
    popular = stage.hold_trial(POPULAR)
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
            trials.append(_with_curve(stage, candidate, question, start + share_s))
        except RefusedError as refusal:
            notices.append(f"{candidate} was left out: {refusal.message}")
        slowest_s[candidate.model.family] = max(family_s, time.monotonic() - start)
    return [*trials, popular], notices


def _with_curve(stage: Stage, candidate: Candidate, question: Question, deadline: float) -> Trial:
    curve: dict[int, float] = {}

    def note(step: int, judgement: Judgement) -> None:
        curve[step] = judgement.metrics[question].get(PRIMARY, 0.0)

    return replace(stage.hold_trial(candidate, deadline, note), curve=curve)


def _hold_finals(final_stage: Stage, stage: Stage, trials: Sequence[Trial], winner: Trial, as_served: Served) -> Finals:
    """On the last window, or where nobody can be asked there on the one before, on which popular and what is served
    have been held already."""
    popular = trials[-1]
    served = next((trial for trial in trials if trial.candidate.origin == "served" and trial is not winner), None)
    held = {id(winner): final_stage.hold_trial(winner.candidate, served=as_served)}
    if final_stage is not stage:
        others = [trial for trial in (popular, served) if trial and trial is not winner]
        held |= {id(trial): final_stage.hold_trial(trial.candidate) for trial in others}
    return Finals(final_stage, held[id(winner)], held.get(id(popular), popular), held.get(id(served), served))


def _first_rows(finals: Finals, winner: Trial, question: Question, served: Served) -> list[Standing]:
    rows = [Standing.of_trial(Kind.CHAMPION, finals.winner, winner.score(question))]
    if served.repeats.decision != "show" or served.trend:
        rows.append(Standing.as_served(finals.winner, served.repeats.decision))
    if finals.served:
        rows.append(Standing.of_trial(Kind.SERVED, finals.served))
    if finals.popular is not finals.winner:
        rows.append(Standing.of_trial(Kind.FAMILY, finals.popular))
    return rows


def _families(
    finals: Finals, stage: Stage, trials: Sequence[Trial], question: Question, deadline: float
) -> list[Standing]:
    """As far as time to fit the winner on everything is left."""
    shown = [trial for trial in (finals.winner, finals.popular, finals.served) if trial]
    other = None if finals.stage is stage else finals.stage
    return hold_families(other, trials, shown, question, deadline - finals.winner.fit_s)
