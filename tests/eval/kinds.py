"""The kinds that lead from items to others at a real shop: each by its own measure, beside what it has to beat.

As a night judges them, with ALS as the selected model and links with the settings that a search begins with. item2vec
and VS-KNN stand beside them; VS-KNN takes seconds for a thousand questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from common.errors import RefusedError
from common.evaluation.baselines.vs_knn import VSKNN
from common.evaluation.judge import PRIMARY
from common.evaluation.kind_questions import KINDS, MAX_ASKED, Asked, Rows
from common.evaluation.kinds import DEPTH, OTHER_CATEGORIES, SAME_CATEGORY, lists_of
from common.evaluation.split import Fold, temporal_split
from common.models.artifact import Artifact
from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.models.cooccurrence import Cooccurrence
from common.models.popularity import WINDOW_DAYS as POPULAR_DAYS
from common.models.registry import make
from common.models.sessions import sessions_of
from common.schemas.data import EVENT_TYPES, I32, EventType, Weighting
from common.schemas.documents import DEFAULT_BLEND
from common.schemas.kind import Kind
from common.schemas.links import RECENT, Place
from common.schemas.pairs import PairRule
from common.serving.encoders import ENCODERS
from common.usecases.train.contenders import Contenders
from common.usecases.train.kinds import categories_before, figures_of, judged_figures
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.similar_shelf import judged_shelf
from common.usecases.train.workbench import Order, Workbench
from tests.eval.known import known_task
from tests.eval.similar import without_categories
from tests.eval.tasks import SessionTask

SEED: Final = 1
WINDOW_DAYS: Final = 28.0
PEOPLE: Final = 5
BASKETS: Final = Cooccurrence.starts[0].model_dump()
VIEW: Final = EVENT_TYPES.index(EventType.VIEW)
VISITS: Final = (Kind.SESSION, Kind.BECAUSE_YOU_VIEWED)

Json = dict[str, Any]


@dataclass(frozen=True)
class Beside:
    """Methods that are never served."""

    fold: Fold
    item2vec: Artifact | None

    def lists(self, asked: Asked) -> Mapping[str, I32]:
        if asked.kind in VISITS:
            return {"VS-KNN": vs_knn_lists(asked)}
        if self.item2vec is None:
            return {}
        return {"item2vec": lists_of(self.item2vec, asked, ENCODERS[self.item2vec.encoder])}


def vs_knn_lists(asked: Asked) -> I32:
    past = asked.fold.past
    model = VSKNN(sessions_of(past, Weighting()), past.n_items)
    found = np.full((len(asked), DEPTH), -1, dtype=np.int32)
    for row, (start, end) in enumerate(zip(asked.given.offsets, asked.given.offsets[1:], strict=False)):
        given = asked.given.items[start:end]
        scores = model.scores(given)
        scores[given] = 0
        best = np.argsort(-scores, kind="stable")[:DEPTH]
        best = best[scores[best] > 0]
        found[row, : len(best)] = best
    return found


def evaluate_kinds(data: TrainingData) -> dict[str, Json]:
    """The figures of each kind that the shop's last weeks ask about, as in metrics.json."""
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    if split is None or split.test is None:
        raise ValueError("too short a history for a test window")
    fold = split.test
    past = TrainingData(fold.past, data.catalogue)
    selected = SelectedModel(Workbench(data, Order(WINDOW_DAYS, WINDOW_DAYS, SEED, 1)), make("als"))
    shelf = None
    if data.catalogue is not None and any(data.catalogue.categories):
        shelf = judged_shelf(fold, data.catalogue, selected.before(fold, np.inf), POPULAR_DAYS, PairRule(PEOPLE))
    links = {
        Place.VISIT: _fitted(make(Cooccurrence.family), past, fold),
        Place.BASKET: _fitted(make(Cooccurrence.family, BASKETS), past, fold),
    }
    known = Contenders(
        fold=fold,
        selected=selected,
        links={place: artifact for place, artifact in links.items() if artifact},
        shelf=shelf,
        blend=DEFAULT_BLEND,
        categories=categories_before(data.catalogue, fold),
        rule=PairRule(PEOPLE),
        popular_days=POPULAR_DAYS,
        deadline=np.inf,
    )
    beside = Beside(fold, _fitted(make("item2vec"), past, fold))
    found = {kind.value: judged_figures(kind, known, SEED, beside.lists) for kind in KINDS}
    return {kind: figures for kind, figures in found.items() if figures}


def evaluate_clicks(data_dir: Path) -> dict[str, Json]:
    """What needs views, on public clicks of nobody known: the next item of a visit by those before it, and by the last
    alone. What the visit has is not shown, as in serving, so a return to it is no question."""
    task = known_task("yoochoose1_64", data_dir)
    assert isinstance(task, SessionTask)
    past = replace(task.train, event_types=np.full(len(task.train), VIEW, dtype=np.int8))
    fold = Fold(int(past.ts[-1]) + 1, past, past.where(np.zeros(len(past), dtype=np.bool_)))
    catalogue = without_categories(past)
    selected = SelectedModel(Workbench(TrainingData(past), Order(WINDOW_DAYS, WINDOW_DAYS, SEED, 1)), make("popular"))
    known = Contenders(
        fold=fold,
        selected=selected,
        links={Place.VISIT: make(Cooccurrence.family).fit(TrainingData(past), FitOptions(SEED, 1, fold.cut_s))},
        shelf=judged_shelf(fold, catalogue, selected.before(fold, np.inf), POPULAR_DAYS, PairRule(PEOPLE)),
        blend=DEFAULT_BLEND,
        categories=np.full(past.n_items, -1, dtype=np.int64),
        rule=PairRule(PEOPLE),
        popular_days=POPULAR_DAYS,
        deadline=np.inf,
    )
    beside = Beside(fold, None)
    found = {kind.value: figures_of(_next_clicks(kind, task, fold), known, SEED, beside.lists) for kind in VISITS}
    return {kind: figures for kind, figures in found.items() if figures}


def _next_clicks(kind: Kind, task: SessionTask, fold: Fold) -> Asked:
    """Of a sample of the prefixes, or of the last items of them."""
    prefixes = [task.items[start:end][-RECENT:] for start, end in pairwise(task.offsets.tolist())]
    given = [prefix if kind is Kind.SESSION else prefix[-1:] for prefix in prefixes]
    asks = np.flatnonzero([target not in own for own, target in zip(given, task.targets, strict=True)])
    chosen = np.sort(np.random.default_rng(SEED).choice(asks, MAX_ASKED, replace=False)).tolist()
    rows = Rows.of([given[at].astype(np.int32) for at in chosen])
    wanted = Rows.of([task.targets[at : at + 1].astype(np.int32) for at in chosen])
    nothing = np.zeros(len(chosen), dtype=np.bool_)
    return Asked(kind, fold, rows, wanted, rows, nothing, np.arange(len(chosen)))


def _fitted(model: Model[ModelConfig], past: TrainingData, fold: Fold) -> Artifact | None:
    try:
        return model.fit(past, FitOptions(SEED, 1, fold.cut_s, pairs=PairRule(PEOPLE)))
    except RefusedError:
        return None


def lines(found: Mapping[str, Json]) -> Iterator[str]:
    """A table for each kind."""
    for kind in KINDS:
        figures = found.get(kind)
        if figures is None:
            yield f"{kind}: the data ask nothing of it"
            continue
        yield f"{kind}: {figures['questions']} questions of {figures['asked']}; first {figures['first']}"
        yield from (_line(row) for row in figures["table"])


def _line(row: Json) -> str:
    ndcg, lead, metrics = row[PRIMARY], row["lead"], row["metrics"]
    apart = "".join(f", {name} {metrics[name]:.4f}" for name in (OTHER_CATEGORIES, SAME_CATEGORY) if name in metrics)
    return (
        f"  {row['name']:26} NDCG@10 {ndcg['mean']:.4f} ({ndcg['low']:.4f} to {ndcg['high']:.4f}), first better by "
        f"{lead['low']:+.4f} to {lead['high']:+.4f}, recall@10 {metrics['recall@10']:.4f}, HR@20 / MRR@20 "
        f"{metrics['hit_rate@20']:.4f} / {metrics['mrr@20']:.4f}{apart}"
    )
