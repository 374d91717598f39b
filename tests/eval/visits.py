"""Visits and baskets of a real shop's last weeks: links, their rivals, and the families of vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from common.errors import RefusedError
from common.evaluation.baselines.lift import fit_lift
from common.evaluation.bootstrap import paired_interval
from common.evaluation.split import temporal_split
from common.evaluation.visits import Questions, VisitJudgement, judge_visits, questions_of
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.registry import FAMILIES
from common.schemas.links import Place
from common.schemas.pairs import PairRule
from common.serving.encoders import ENCODERS

SEED: Final = 1
WINDOW_DAYS: Final = 28.0


def rows(data: TrainingData, families: Sequence[str], people: int) -> Iterator[dict[str, Any]]:
    """A row for each place, family and setting, with its lead over lift; a pair needs so many `people`."""
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    if split is None or split.test is None:
        raise ValueError("too short a history for a test window")
    fold = split.test
    options = FitOptions(SEED, 1, fold.cut_s, pairs=PairRule(people))
    past = TrainingData(fold.past, data.catalogue)
    asked = [questions for place in Place if (questions := questions_of(place, fold, SEED))]
    lift = _judged(fit_lift(past, options), asked)
    yield from _rows("lift", lift, lift)
    for family in families:
        model = FAMILIES[family]
        for number, config in enumerate((model.Config(), *model.starts)):
            try:
                artifact = model(config).fit(past, options)
            except RefusedError as refusal:
                yield {"model": family, "left_out": refusal.message}
                continue
            yield from _rows(f"{family} {number or ''}".strip(), _judged(artifact, asked), lift)


def _judged(artifact: Artifact, asked: Sequence[Questions]) -> dict[Place, VisitJudgement]:
    encode = ENCODERS.get(artifact.encoder)
    return {questions.place: judge_visits(artifact, questions, encode) for questions in asked}


def _rows(
    name: str, judged: dict[Place, VisitJudgement], lift: dict[Place, VisitJudgement]
) -> Iterator[dict[str, Any]]:
    for place, judgement in judged.items():
        low, high = paired_interval(judgement.primary, lift[place].primary, SEED)
        figures = {metric: round(value, 4) for metric, value in judgement.metrics.items()}
        yield {"place": place, "model": name, **figures, "lead_over_lift": [round(low, 4), round(high, 4)]}
