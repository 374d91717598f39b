"""What a training run found, as JSON: `metrics.json` beside the artifact, and its gist in the bundle."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from common.evaluation.bootstrap import LEVEL, paired_interval
from common.evaluation.cases import Question
from common.evaluation.judge import PRIMARY
from common.usecases.contest import Outcome
from common.usecases.table import table
from common.usecases.trials import Stage, Trial

Json = dict[str, Any]


def gist(outcome: Outcome, published: Trial, seed: int) -> Json:
    """The model that is published beside popular on the last window, as `Bundle.model.metrics` keeps it."""
    popular = outcome.finals.popular
    return {
        "judged_by": f"{PRIMARY} of {outcome.question}",
        "window": _window(outcome.finals.stage),
        "model": published.judgement.metrics,
        "popular": popular.judgement.metrics,
        "gain_over_popular": {"level": LEVEL, **{q: _gain(published, popular, q, seed) for q in Question}},
    }


def full(outcome: Outcome, published: Trial, seed: int) -> Json:
    """The gist, every trial on the validation window, and the finalists that are not published."""
    finals = outcome.finals
    return gist(outcome, published, seed) | {
        "question": outcome.question,
        "winner": finals.winner.judgement.metrics,
        "served": finals.served.judgement.metrics if finals.served else None,
        "validation_window": _window(outcome.stage),
        "trials": [_trial(trial) for trial in outcome.trials],
        "repeats": outcome.decisions.repeats.as_dict(),
        "trend": outcome.decisions.trend.as_dict(),
        "table": table(outcome, seed),
        "newcomers": outcome.newcomers,
        "search": [record.as_dict() for record in outcome.search],
        "notices": list(outcome.notices),
    }


def _window(stage: Stage) -> Json:
    fold, cases = stage.cases.fold, stage.cases
    return {
        "from": datetime.fromtimestamp(fold.cut_s, UTC).isoformat(),
        "to": datetime.fromtimestamp(int(fold.future.ts[-1]), UTC).isoformat(),
        "people": len(cases.user_keys),
        "newcomers": cases.newcomers,
    }


def _trial(trial: Trial) -> Json:
    model = trial.candidate.model
    return {
        "family": model.family,
        "origin": trial.candidate.origin,
        "params": model.config.model_dump(mode="json"),
        "fit_s": round(trial.fit_s, 3),
        "peak_bytes": trial.peak_bytes,
        "curve": dict(trial.curve),
        "metrics": trial.judgement.metrics,
    }


def _gain(ours: Trial, popular: Trial, question: Question, seed: int) -> Json | None:
    """The mean gain in the primary metric and its interval; None where nobody was asked."""
    mine, theirs = ours.judgement.primary[question], popular.judgement.primary[question]
    if len(mine) == 0:
        return None
    low, high = paired_interval(mine, theirs, seed)
    return {"mean": float((mine - theirs).mean()), "low": low, "high": high}
