"""Every baseline and every family on a real shop's last four weeks: one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from common.cpus import usable_cpus
from common.evaluation.baselines import BASELINES
from common.evaluation.baselines.base import Baseline, judge_baseline
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.evaluation.split import temporal_split
from common.models.base import Model, ModelConfig, TrainingData
from common.models.registry import FAMILIES
from common.usecases.train.evaluator import Candidate, Evaluator, Trial

SEED = 20261123
WINDOW_DAYS = 28.0


@dataclass(frozen=True)
class Row:
    name: str
    judgement: Judgement
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {"model": self.name, "seconds": round(self.seconds, 1), "metrics": self.judgement.metrics}

    def __str__(self) -> str:
        cells = []
        for relevance in Relevance:
            found = self.judgement.metrics[relevance]
            cells.append(" ".join(f"{found[name]:.4f}" for name in (PRIMARY, "recall@20", "mrr@20", "coverage@10")))
        return f"{self.name:24}{cells[0]}   {cells[1]}   {self.seconds:6.1f} s"


HEADER = f"{'':24}{'all: ndcg@10 recall@20 mrr@20 coverage':30}   new to the person: the same"


def rows(data: TrainingData, families: Sequence[str]) -> Iterator[Row]:
    """On the last window: the baselines, then each family with the best of its own settings on the window before.

    The champion, the best of those on the window before, is marked with a star.
    """
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    if split is None or split.test is None:
        raise ValueError("too short a history for a test window")
    threads = usable_cpus()
    validation, test = (Evaluator(fold, data.catalogue, SEED, threads) for fold in (split.validation, split.test))
    for baseline in BASELINES:
        yield _timed(baseline.name, partial(_judge_baseline, baseline, test))
    trials = [_best(validation, family) for family in map(FAMILIES.__getitem__, families)]
    champion = max(trials, key=lambda trial: trial.score(Relevance.NEW))
    for trial in trials:
        mark = " *" if trial is champion else ""
        yield _timed(f"{trial.candidate}{mark}", partial(_judge, trial.candidate, test))


def _judge_baseline(baseline: type[Baseline], test: Evaluator) -> Judgement:
    return judge_baseline(baseline(test.cases.fold), test.cases)


def _judge(candidate: Candidate, test: Evaluator) -> Judgement:
    return test.evaluate(candidate).judgement


def _best(evaluator: Evaluator, family: type[Model[ModelConfig]]) -> Trial:
    candidates = [
        Candidate(family(family.Config()), "default"),
        *(Candidate(family(config), "start") for config in family.starts),
    ]
    trials = [evaluator.evaluate(candidate) for candidate in candidates]
    return max(trials, key=lambda trial: trial.score(Relevance.NEW))


def _timed(name: str, judge: Callable[[], Judgement]) -> Row:
    start = time.monotonic()
    return Row(name, judge(), time.monotonic() - start)
