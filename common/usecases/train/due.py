"""What is due, as a night decides it: by which settings `buy-again` is ranked, or by a person's own purchases alone.

Settings are chosen on the validation window, by what people bought again. On the test window they are held against own
most frequent, plain and decayed, and taken only if they are clearly better than both. That holds back nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from common.config import Settings
from common.evaluation.bootstrap import LEVEL
from common.evaluation.due import (
    DECAYED,
    DUE,
    FREQUENT,
    HORIZONS,
    OWN_FREQUENT,
    choose_due,
    figures_of,
    is_clearly_better,
    judge_due,
    make_due_cases,
    scores_of_due,
    scores_of_rivals,
)
from common.evaluation.judge import PRIMARY
from common.evaluation.split import temporal_split
from common.models.base import TrainingData
from common.schemas.documents import DueSettings
from common.usecases.train.model_selection import TrainPlan

BUDGET_SHARE: Final = 0.02
"""Share of a night's time that the choice may take: four seconds at a grocer with 1.4 million purchases."""

Json = dict[str, Any]


@dataclass(frozen=True)
class DueOfNight:
    """The settings to publish, None where none were ever judged; the figures, empty where nothing could be."""

    settings: DueSettings | None
    figures: Json = field(default_factory=dict)


def due_budget_s(plan: TrainPlan) -> float:
    """Seconds of the night that are kept for the choice; 0 where nothing is compared."""
    return BUDGET_SHARE * max(0.0, plan.deadline - time.monotonic()) if plan.evaluate else 0.0


def due_of_night(
    data: TrainingData, settings: Settings, seconds: float, served: DueSettings | None = None
) -> DueOfNight:
    """The decision. Where there is no time, or nobody who bought again, it is what was `served`."""
    split = temporal_split(data.interactions, settings.validation_days, settings.test_days) if seconds else None
    if split is None:
        return DueOfNight(served)
    deadline, seed = time.monotonic() + seconds, settings.seed
    cases = make_due_cases(split.validation, data.catalogue, seed)
    if cases is None:
        return DueOfNight(served)
    best, tried = choose_due(cases, lambda: time.monotonic() < deadline)
    if split.test and time.monotonic() < deadline:
        cases = make_due_cases(split.test, data.catalogue, seed) or cases
    scores = {DUE: scores_of_due(cases, best), **scores_of_rivals(cases)}
    judged = {name: judge_due(cases, of_name) for name, of_name in scores.items()}
    taken = all(is_clearly_better(judged[DUE], judged[rival], seed) for rival in (FREQUENT, DECAYED))
    figures = {
        "judged_by": PRIMARY,
        "level": LEVEL,
        "taken": taken,
        "settings": best.model_dump(),
        "tried": tried,
        "table": figures_of(judged, seed),
    }
    return DueOfNight(best if taken else OWN_FREQUENT, figures)


def told_of_due(night: DueOfNight) -> Sequence[str]:
    """What the run says of what is due."""
    if not night.figures:
        return ()
    days = str(HORIZONS[-1])
    scores = {row["name"]: row["horizons"][days][PRIMARY]["mean"] for row in night.figures["table"]}
    by = "what is due" if night.figures["taken"] else DECAYED
    by_due, by_own = (f"{scores[name]:.4f}" for name in (DUE, FREQUENT))
    return (
        f"{DUE} is ranked by {by}: {PRIMARY} of what was bought again in {days} days is {by_due} by what is due, "
        f"{by_own} by {FREQUENT}",
    )
