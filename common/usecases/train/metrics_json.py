"""The figures of a training run as JSON: `metrics.json` beside the artifact, and its summary in the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from common.evaluation.bootstrap import LEVEL, interval, paired_interval, resampled_means
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY
from common.schemas.data import F64
from common.usecases.train.comparison import Comparison
from common.usecases.train.evaluator import Judging, Trial
from common.usecases.train.leaderboard import LeaderboardRow

Json = dict[str, Any]


def summary(comparison: Comparison, published: Trial, seed: int) -> Json:
    """The published model and popular on the test window, as `Bundle.model.metrics` stores it. `as_served` are the
    figures of the model with its trend and its treatment of repeat purchases; None where they are not known."""
    popular = comparison.final.popular
    return {
        "judged_by": f"{PRIMARY} of {comparison.relevance}",
        "window": _window(comparison.final.evaluator),
        "model": published.judgement.metrics,
        "as_served": published.as_served.metrics if published.as_served else None,
        "popular": popular.judgement.metrics,
        "gain_over_popular": {"level": LEVEL, **{r: _gain(published, popular, r, seed) for r in Relevance}},
    }


def full(comparison: Comparison, published: Trial, seed: int) -> Json:
    """The summary, every trial on the validation window, and the models of the test evaluation that are not
    published."""
    final = comparison.final
    return summary(comparison, published, seed) | {
        "question": comparison.relevance,
        "winner": final.winner.judgement.metrics,
        "served": final.served.judgement.metrics if final.served else None,
        "validation_window": _window(comparison.evaluator),
        "trials": [_trial(trial) for trial in comparison.trials],
        "repeats": comparison.decisions.repeats.as_dict(),
        "trend": comparison.decisions.trend.as_dict(),
        "popular_window": comparison.window.as_dict(),
        "table": table(comparison, seed),
        "newcomers": comparison.newcomers,
        "search": [record.as_dict() for record in comparison.search],
        "notices": list(comparison.notices),
        "not_tried": [asdict(one) for one in comparison.not_tried],
    }


def _window(evaluator: Judging) -> Json:
    window = evaluator.window
    return {
        "from": datetime.fromtimestamp(window.cut_s, UTC).isoformat(),
        "to": datetime.fromtimestamp(window.end_s, UTC).isoformat(),
        "people": window.people,
        "newcomers": window.newcomers,
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


def _gain(ours: Trial, popular: Trial, relevance: Relevance, seed: int) -> Json | None:
    """The mean gain in the primary metric and its interval; None where nobody has a relevant purchase."""
    mine, theirs = ours.judgement.primary[relevance], popular.judgement.primary[relevance]
    if len(mine) == 0:
        return None
    low, high = paired_interval(mine, theirs, seed)
    return {"mean": float((mine - theirs).mean()), "low": low, "high": high}


def table(comparison: Comparison, seed: int) -> list[Json]:
    """The rows of the leaderboard, the champion first.

    `intervals` by relevance: `PRIMARY` as mean, low and high, and `lead`, by how much the champion is better; None
    where nobody has a relevant purchase or the row has no figures of that relevance. Rows that were left out have no
    figures, and the reason.
    """
    judged = [row for row in comparison.leaderboard if row.judgement]
    spreads = {relevance: _spreads(judged, relevance, seed) for relevance in Relevance}
    rows = [_row(row) for row in judged]
    for number, row in enumerate(rows):
        row["intervals"] = {relevance: by_row.get(number) for relevance, by_row in spreads.items()}
    return rows + [_row(row) for row in comparison.leaderboard if not row.judgement]


def _row(row: LeaderboardRow) -> Json:
    candidate, usage, judgement = row.candidate, row.usage, row.judgement
    return {
        "kind": row.kind,
        "name": row.name,
        "purchased": row.purchased,
        "left_out": row.left_out,
        "origin": candidate.origin if candidate else None,
        "params": candidate.model.config.model_dump(mode="json") if candidate else None,
        "validation": row.validation,
        "metrics": judgement.metrics if judgement else None,
        "cold": judgement.cold if judgement else None,
        "intervals": None,
        "fit_s": round(usage.seconds, 3) if usage else None,
        "peak_bytes": usage.peak_bytes if usage else None,
    }


def _spreads(judged: Sequence[LeaderboardRow], relevance: Relevance, seed: int) -> dict[int, Json]:
    """The intervals by the row's number, 0 for the champion, over the same resampled people in all rows. Empty where
    nobody has a relevant purchase."""
    primary = {
        number: row.judgement.primary[relevance]
        for number, row in enumerate(judged)
        if row.judgement and relevance in row.judgement.primary
    }
    values = np.column_stack(list(primary.values()))
    if len(values) == 0:
        return {}
    means, resampled = values.mean(axis=0), resampled_means(values, seed)
    return {
        number: {
            PRIMARY: _spread(means[column], resampled[:, column]),
            "lead": _spread(means[0] - means[column], resampled[:, 0] - resampled[:, column]),
        }
        for column, number in enumerate(primary)
    }


def _spread(mean: float, resampled: F64) -> Json:
    low, high = interval(resampled)
    return {"mean": float(mean), "low": low, "high": high}
