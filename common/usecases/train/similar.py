"""The similar items of a night: by which blend they are found, and whether it is better than the nearest vectors.

A few blends are judged on the validation window, by what was viewed next or bought instead. The best is held against
the nearest vectors on the test window, and is left out only where it is clearly worse there. That holds back nothing
else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.bootstrap import LEVEL, interval, paired_interval, resampled_means
from common.evaluation.judge import PRIMARY
from common.evaluation.similar import (
    FIRST,
    Instead,
    Scores,
    SimilarJudgement,
    SimilarQuestions,
    judge_similar,
    share_of_group,
    similar_questions,
)
from common.evaluation.split import Fold, temporal_split
from common.models.base import TrainingData
from common.models.similar.lists import similar_lists
from common.schemas.data import EVENT_TYPES, I64, Catalogue, EventType
from common.schemas.documents import DEFAULT_BLEND, SimilarBlend
from common.usecases.publish.layers.similar import nearest
from common.usecases.shared.learning import pair_rule
from common.usecases.train.model_selection import TrainPlan
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.similar_shelf import JudgedShelf, judged_shelf

BUDGET_SHARE: Final = 0.05
"""Share of a night's time that the choice may take: two fits of the selected model take the most of it."""

BLENDS: Final = (
    DEFAULT_BLEND,
    SimilarBlend(popular=0.4, vectors=0.2),
    SimilarBlend(popular=1.0, words=0.03, brand=0.01, price=0.01),
    SimilarBlend(words=0.3, brand=0.1, price=0.1),
    SimilarBlend(words=0.03, brand=0.01, price=0.01),
    SimilarBlend(interchange=0.5, popular=0.1, vectors=0.5, words=0.3, brand=0.1, price=0.1),
)
"""The blends that are tried; of equal ones the first is taken (docs/measurements-models.md)."""

_ALONE: Final = {"interchange": 0.0, "popular": 0.0, "vectors": 0.0, "words": 0.0, "brand": 0.0, "price": 0.0}
YARDSTICKS: Final[Mapping[str, SimilarBlend]] = {
    "popular in the category": SimilarBlend(**{**_ALONE, "popular": 1.0}),
    "common buyers (item-kNN)": SimilarBlend(**{**_ALONE, "interchange": 1.0}),
    "the catalogue alone": SimilarBlend(**{**_ALONE, "words": 1.0, "brand": 0.3, "price": 0.3}),
}
BLEND: Final = "the blend"
VECTORS: Final = "nearest vectors"

SHARE_OF: Final = 1000
"""The best sellers by whom the share of the own category is counted."""

Json = dict[str, Any]


@dataclass(frozen=True)
class SimilarOfNight:
    """The blend to publish, None for the nearest vectors; the figures, empty where nothing could be judged; notices.

    shelf: the items as they were judged, at the beginning of the window"""

    blend: SimilarBlend | None = DEFAULT_BLEND
    figures: Json = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    shelf: JudgedShelf | None = None


def similar_budget_s(plan: TrainPlan) -> float:
    """Seconds of the night that are kept for the choice; 0 where nothing is compared."""
    return BUDGET_SHARE * max(0.0, plan.deadline - time.monotonic()) if plan.evaluate else 0.0


def similar_of_night(
    data: TrainingData,
    selected: SelectedModel,
    settings: Settings,
    seconds: float,
    popular_days: float,
    usual: SimilarBlend = DEFAULT_BLEND,
) -> SimilarOfNight:
    """The blend for the selected model; `usual` where nothing can be judged."""
    split = temporal_split(data.interactions, settings.validation_days, settings.test_days) if seconds else None
    if split is None or data.catalogue is None:
        return SimilarOfNight(usual)
    viewed = (data.interactions.event_types == EVENT_TYPES.index(EventType.VIEW)).any()
    if not viewed and not any(data.catalogue.categories):
        return SimilarOfNight(usual)
    choice = _Choice(data.catalogue, selected, settings, popular_days, time.monotonic() + seconds)
    try:
        return choice.made(split.validation, split.test or split.validation, usual)
    except RefusedError as refusal:
        return SimilarOfNight(usual, notices=(f"similar items are found by the usual blend: {refusal.message}",))


@dataclass(frozen=True)
class _Choice:
    catalogue: Catalogue
    selected: SelectedModel
    settings: Settings
    popular_days: float
    deadline: float

    def made(self, validation: Fold, test: Fold, usual: SimilarBlend) -> SimilarOfNight:
        shelf = self._shelf(validation)
        asked = similar_questions(validation, shelf.groups, self.settings.seed)
        if asked is None:
            return SimilarOfNight(usual)
        tried = self._tried(shelf, asked)
        best = max(tried, key=lambda blend: tried[blend])
        if test is not validation:
            shelf = self._shelf(test)
            asked = similar_questions(test, shelf.groups, self.settings.seed) or asked
            if asked.groups is not shelf.groups:
                return SimilarOfNight(
                    best, notices=("similar items could not be judged on the test window",), shelf=shelf
                )
        rows = judged_rows(shelf, asked, best)
        worse = paired_interval(rows[BLEND].primary, rows[VECTORS].primary, self.settings.seed)[1] < 0
        figures = similar_figures(rows, shelf, asked.what, best, self.settings.seed)
        figures["tried"] = [{"blend": blend.model_dump(), PRIMARY: score} for blend, score in tried.items()]
        return SimilarOfNight(None if worse else best, figures | {"taken": not worse}, shelf=shelf)

    def _tried(self, shelf: JudgedShelf, asked: SimilarQuestions) -> dict[SimilarBlend, float]:
        """NDCG@10 of the blends, as many as there is time for, at least the first."""
        tried: dict[SimilarBlend, float] = {}
        # Without categories all that differs is how what has no common visitors is ranked.
        for blend in BLENDS if shelf.has_categories else BLENDS[:1]:
            if tried and time.monotonic() > self.deadline:
                break
            tried[blend] = judge_similar(shelf.by(blend), asked).metrics[PRIMARY]
        return tried

    def _shelf(self, fold: Fold) -> JudgedShelf:
        artifact = self.selected.before(fold, self.deadline)
        return judged_shelf(fold, self.catalogue, artifact, self.popular_days, pair_rule(self.settings))


def judged_rows(shelf: JudgedShelf, asked: SimilarQuestions, blend: SimilarBlend) -> dict[str, SimilarJudgement]:
    """The judgements of the blend, of the nearest vectors, and of the yardsticks, by name."""
    methods: dict[str, Scores] = {BLEND: shelf.by(blend), VECTORS: shelf.by_vectors()}
    methods |= {name: shelf.by_one(yardstick) for name, yardstick in YARDSTICKS.items()}
    return {name: judge_similar(scores, asked) for name, scores in methods.items()}


def similar_figures(
    rows: Mapping[str, SimilarJudgement], shelf: JudgedShelf, what: Instead, blend: SimilarBlend, seed: int
) -> Json:
    """The figures for metrics.json. `lead` is by how much the blend is better."""
    best = shelf.best_sellers(SHARE_OF)
    shares = {BLEND: _share(shelf, best, blend), VECTORS: _share(shelf, best, None)}
    ours = rows[BLEND].primary
    table = [
        {
            "name": name,
            "metrics": judged.metrics,
            "same_category": shares.get(name),
            PRIMARY: _spread(judged.metrics[PRIMARY], interval(resampled_means(judged.primary[:, None], seed)[:, 0])),
            "lead": _spread(float((ours - judged.primary).mean()), paired_interval(ours, judged.primary, seed)),
        }
        for name, judged in rows.items()
    ]
    return {"judged_by": PRIMARY, "what": what, "level": LEVEL, "blend": blend.model_dump(), "table": table}


def _spread(mean: float, ends: tuple[float, float]) -> Json:
    return {"mean": mean, "low": ends[0], "high": ends[1]}


def _share(shelf: JudgedShelf, rows: I64, blend: SimilarBlend | None) -> float | None:
    """The mean share of the own category in the first places; None where no category has enough items."""
    if not shelf.has_categories:
        return None
    lists = np.full((len(shelf.groups), FIRST), -1, dtype=np.int32)
    if blend is None:
        lists[rows] = nearest(shelf.directions, shelf.trained, shelf.neighbours, 1, rows)[:, :FIRST]
    else:
        lists[rows] = similar_lists(shelf.shelves, rows, blend, FIRST)
    shares = share_of_group(lists, shelf.groups, shelf.shelves.listed, rows)
    return float(shares.mean()) if len(shares) else None


def told_of_similar(night: SimilarOfNight) -> Sequence[str]:
    """What the run says of similar items."""
    if not night.figures:
        return night.notices
    scores = {row["name"]: row["metrics"][PRIMARY] for row in night.figures["table"]}
    what = "viewed next" if night.figures["what"] == Instead.NEXT_VIEWED else "bought instead"
    by = BLEND if night.blend else VECTORS
    figures = f"{PRIMARY} of what was {what} {scores[BLEND]:.4f} by the blend, {scores[VECTORS]:.4f} by vectors"
    return (f"similar items are found by {by}: {figures}", *night.notices)
