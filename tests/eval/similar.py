"""Similar items of real shops: the blend beside today's nearest vectors and each yardstick, with intervals.

The grocer: what was bought instead, within the category. The gift shop has no categories, so what comes in another
basket is ranked in the whole shop, and then within the items of one last word. The clicks have neither catalogue nor
names: the item that is viewed next, in the whole shop; what is served there begins with common visitors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from common.evaluation.bootstrap import interval, paired_interval, resampled_means
from common.evaluation.judge import PRIMARY
from common.evaluation.similar import Scores, judge_similar, similar_questions
from common.evaluation.split import Fold, temporal_split
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import EVENT_TYPES, NO_USER, Catalogue, EventType, Interactions
from common.schemas.documents import DEFAULT_BLEND, SimilarBlend
from common.schemas.pairs import PairRule
from common.usecases.train.similar import BLENDS, YARDSTICKS, judged_rows, similar_figures
from common.usecases.train.similar_shelf import JudgedShelf, judged_shelf
from tests.eval.known import known_task
from tests.eval.shops import described_gift_shop, grocer
from tests.eval.tasks import SessionTask

SEED: Final = 1
WINDOW_DAYS: Final = 28.0
PEOPLE: Final = 5
"""People who must be behind a pair of items, as by default."""

POPULAR_DAYS: Final = 28
GROUP: Final = "everything"

Rows = Iterator[dict[str, Any]]


def similar_rows(shop: str, data_dir: Path) -> Rows:
    return SIMILAR_SHOPS[shop](data_dir)


def _grocer(data_dir: Path) -> Rows:
    return _as_a_night("completejourney", grocer(data_dir))


def _as_a_night(shop: str, data: TrainingData) -> Rows:
    """The blend is chosen on the window before, as a night does it."""
    validation, test = _folds(data)
    shelf = _shelf(data, validation)
    asked = similar_questions(validation, shelf.groups, SEED)
    assert asked is not None
    scores = {blend: judge_similar(shelf.by(blend), asked).metrics[PRIMARY] for blend in BLENDS}
    for blend, score in scores.items():
        yield {"shop": shop, "validation": round(score, 4), "blend": blend.model_dump()}
    best = max(scores, key=lambda blend: scores[blend])
    shelf = _shelf(data, test)
    asked = similar_questions(test, shelf.groups, SEED)
    assert asked is not None
    for row in similar_figures(judged_rows(shelf, asked, best), shelf, asked.what, best, SEED)["table"]:
        yield {"shop": shop, "method": row["name"], **row}


def _gift_shop(data_dir: Path) -> Rows:
    """Without categories the lists are the nearest of all by vectors and words. In the second table the last word of a
    description, such as `BAG`, is the category."""
    data = described_gift_shop(data_dir)
    assert data.catalogue is not None
    nouns = tuple(title.split()[-1] if title.split() else "" for title in data.catalogue.titles)
    by_noun = replace(data, catalogue=replace(data.catalogue, categories=nouns))
    data = replace(data, catalogue=replace(data.catalogue, categories=(GROUP,) * len(data.catalogue)))
    _, test = _folds(data)
    shelf = _shelf(data, test)
    only = SimilarBlend(interchange=0, popular=0, brand=0, price=0)
    yield from _compared("online_retail", shelf, test, {"vectors and words": shelf.by(only)})
    yield from _as_a_night("online_retail, by last word", by_noun)


def _clicks(data_dir: Path) -> Rows:
    """Without a catalogue the lists are by common visitors, then the nearest vectors."""
    task = known_task("yoochoose1_64", data_dir)
    assert isinstance(task, SessionTask)
    past = replace(task.train, event_types=np.full(len(task.train), _VIEW, dtype=np.int8))
    fold = Fold(int(past.ts[-1]) + 1, past, _last_steps(task, past))
    catalogue = without_categories(past)
    artifact = make("item2vec").fit(TrainingData(past), FitOptions(SEED, 1, fold.cut_s))
    shelf = judged_shelf(fold, catalogue, artifact, POPULAR_DAYS, PairRule(PEOPLE))
    # Vectors as they are: where nobody is known, those of a base are the group's, and there is no group.
    vectors = np.zeros_like(shelf.directions)
    codes = {item_id: code for code, item_id in enumerate(past.item_ids)}
    vectors[[codes[item_id] for item_id in artifact.item_ids]] = artifact.item_vectors[:, : vectors.shape[1]]
    shelf = replace(shelf, directions=vectors, neighbours=shelf.trained)
    yield from _compared("yoochoose1_64", shelf, fold, {"as served": shelf.by(DEFAULT_BLEND)})


def _last_steps(task: SessionTask, past: Interactions) -> Interactions:
    """The last item of each prefix and the next one, as visits of two."""
    n = len(task.targets)
    events = np.column_stack([task.items[task.offsets[1:] - 1], task.targets]).ravel().astype(np.int32)
    nothing = np.full(2 * n, -1, dtype=np.int64)
    return replace(
        past,
        users=np.full(2 * n, NO_USER, dtype=np.int32),
        items=events,
        ts=np.arange(2 * n) + int(past.ts[-1]) + 1,
        qty=np.ones(2 * n, dtype=np.float32),
        event_types=np.full(2 * n, _VIEW, dtype=np.int8),
        orders=nothing,
        sessions=np.repeat(np.arange(n), 2),
        prices=np.full(2 * n, np.nan, dtype=np.float32),
    )


def without_categories(data: Interactions) -> Catalogue:
    """Nothing is known of any item."""
    n, times = data.n_items, np.zeros(data.n_items, dtype=np.int64)
    blank = ("",) * n
    nothing = np.full(n, np.nan)
    everywhere = np.ones(n, dtype=np.bool_)
    texts = (nothing, blank, blank, blank, blank)
    return Catalogue(data.item_ids, blank, blank, *texts, everywhere, times, times, ({},) * n)


SIMILAR_SHOPS: Final[Mapping[str, Callable[[Path], Rows]]] = {
    "completejourney": _grocer,
    "online_retail": _gift_shop,
    "yoochoose1_64": _clicks,
}

_VIEW: Final = EVENT_TYPES.index(EventType.VIEW)


def _folds(data: TrainingData) -> tuple[Fold, Fold]:
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    if split is None or split.test is None:
        raise ValueError("too short a history for a test window")
    return split.validation, split.test


def _shelf(data: TrainingData, fold: Fold) -> JudgedShelf:
    assert data.catalogue is not None
    artifact = make("als").fit(replace(data, interactions=fold.past), FitOptions(SEED, 1, fold.cut_s))
    return judged_shelf(fold, data.catalogue, artifact, POPULAR_DAYS, PairRule(PEOPLE))


def _compared(shop: str, shelf: JudgedShelf, fold: Fold, ours: Mapping[str, Scores]) -> Rows:
    asked = similar_questions(fold, shelf.groups, SEED)
    assert asked is not None
    vectors = judge_similar(shelf.by_vectors(), asked)
    methods = {**ours, "nearest vectors": shelf.by_vectors()}
    methods |= {name: shelf.by_one(blend) for name, blend in YARDSTICKS.items()}
    for name, scores in methods.items():
        start = time.monotonic()
        judged = judge_similar(scores, asked)
        yield {
            "shop": shop,
            "what": asked.what,
            "method": name,
            "metrics": judged.metrics,
            PRIMARY: interval(resampled_means(judged.primary[:, None], SEED)[:, 0]),
            "lead_over_vectors": paired_interval(judged.primary, vectors.primary, SEED),
            "seconds": round(time.monotonic() - start, 1),
        }
