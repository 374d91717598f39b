"""What is due at a real shop: `buy-again` with the settings of a night beside what it has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from common.evaluation.due import (
    DUE,
    choose_due,
    figures_of,
    judge_due,
    make_due_cases,
    scores_of_due,
    scores_of_rivals,
)
from common.evaluation.split import temporal_split
from common.models.base import TrainingData

SEED: Final = 1
WINDOW_DAYS: Final = 28.0


def evaluate_due(data: TrainingData) -> dict[str, Any]:
    """Settings chosen on the window before the last, figures of the last."""
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    if split is None or split.test is None:
        raise ValueError("too short a history for a test window")
    chosen_on, judged_on = (make_due_cases(fold, data.catalogue, SEED) for fold in (split.validation, split.test))
    if chosen_on is None or judged_on is None:
        raise ValueError("nobody buys anything again")
    settings, tried = choose_due(chosen_on)
    scores = {DUE: scores_of_due(judged_on, settings), **scores_of_rivals(judged_on)}
    judged = {name: judge_due(judged_on, of_name) for name, of_name in scores.items()}
    return {"settings": settings.model_dump(), "tried": tried, "rows": figures_of(judged, SEED)}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The table, a line for each ranking: NDCG@10, its lead over it and recall@10, for each horizon."""
    yield f"settings: {found['settings']}"
    for row in found["rows"]:
        cells = [_cell(days, figures) for days, figures in row["horizons"].items()]
        yield f"{row['name']:28}{'   '.join(cells)}"


def _cell(days: str, figures: dict[str, Any]) -> str:
    ndcg, recall, lead = (figures[name] for name in ("ndcg@10", "recall@10", "lead"))
    spread = f"{ndcg['mean']:.4f} ({ndcg['low']:.4f} to {ndcg['high']:.4f})"
    return (
        f"{days} days, {figures['people']} people: NDCG@10 {spread}, lead {lead['low']:+.4f} to {lead['high']:+.4f}, "
        f"recall@10 {recall['mean']:.4f}"
    )
