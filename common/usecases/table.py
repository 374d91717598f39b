"""The night's table as JSON: every row's figures, their intervals, and the champion's lead over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from common.evaluation.bootstrap import interval, resampled_means
from common.evaluation.cases import Question
from common.evaluation.judge import PRIMARY
from common.schemas.data import F64
from common.usecases.contest import Outcome
from common.usecases.standings import Standing

Json = dict[str, Any]


def table(outcome: Outcome, seed: int) -> list[Json]:
    """The rows, the champion first. `intervals` by question: `PRIMARY` as mean, low and high, and `lead`, by how much
    the champion is ahead; None where nobody was asked, or the row is not about that question. What was left out has no
    figures, and the reason."""
    judged = [row for row in outcome.standings if row.judgement]
    spreads = {question: _spreads(judged, question, seed) for question in Question}
    rows = [_row(row) for row in judged]
    for number, row in enumerate(rows):
        row["intervals"] = {question: found.get(number) for question, found in spreads.items()}
    return rows + [_row(row) for row in outcome.standings if not row.judgement]


def _row(row: Standing) -> Json:
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


def _spreads(judged: Sequence[Standing], question: Question, seed: int) -> dict[int, Json]:
    """By the row's number, the champion's being 0; the same resampled people in all. Empty where nobody was asked."""
    primary = {
        number: row.judgement.primary[question]
        for number, row in enumerate(judged)
        if row.judgement and question in row.judgement.primary
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
