"""The lists that may stand first in a kind, as they would be served at the beginning of a window."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from common.errors import RefusedError
from common.evaluation.kind_questions import Asked
from common.evaluation.kinds import lists_of, mixed_lists
from common.evaluation.split import Fold
from common.models.artifact import Array, Artifact
from common.models.base import FitOptions, TrainingData
from common.models.cooccurrence import Cooccurrence
from common.models.links.config import CooccurrenceConfig, Nearness
from common.models.popularity import popularity
from common.models.similar.lists import similar_lists
from common.schemas.data import I32, I64
from common.schemas.documents import SimilarBlend
from common.schemas.kind import Kind
from common.schemas.links import LINKS, Place
from common.schemas.pairs import PairRule
from common.serving.encoders import ENCODERS, IMPERSONAL
from common.serving.kinds import Listing
from common.usecases.publish.layers.similar import SIMILAR_DEPTH, nearest
from common.usecases.publish.layers.together import StoredCoPurchases
from common.usecases.train.co_purchases import co_purchases_of
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.similar_shelf import JudgedShelf

PLACES: Final = {
    Kind.BASKET: Place.BASKET,
    Kind.BOUGHT_TOGETHER: Place.BASKET,
    Kind.SESSION: Place.VISIT,
    Kind.BECAUSE_YOU_VIEWED: Place.VISIT,
    Kind.BECAUSE_YOU_BOUGHT: Place.BASKET,
}
"""Which links answer a kind."""

_LAST_ITEM: Final = CooccurrenceConfig(
    window=100, nearness=Nearness.FLAT, backward=1.0, row_power=0.0, column_power=0.0, memory=1e-3
)
"""What was most often in a visit with the last item."""


@dataclass(frozen=True, eq=False)
class Contenders:
    """What was known before a window.

    links: by place, those that are published, as they were before the window
    shelf, blend: of similar items, None where they were not judged; a blend of None is the nearest vectors
    categories: (n_items,) int64 by item code, -1 without one
    """

    fold: Fold
    selected: SelectedModel
    links: Mapping[Place, Artifact]
    shelf: JudgedShelf | None
    blend: SimilarBlend | None
    categories: I64
    rule: PairRule
    popular_days: float
    deadline: float

    def watch(self) -> None:
        if time.monotonic() > self.deadline:
            raise RefusedError("the time to judge them was spent")

    def lists(self, listing: Listing, asked: Asked) -> I32 | None:
        """What a list shows for the questions; None where the shop has no such list."""
        if listing is Listing.MIXED:
            return self._mixed(asked)
        artifact = self._artifact(listing, asked)
        return None if artifact is None else lists_of(artifact, asked, ENCODERS.get(artifact.encoder), self.watch)

    def _mixed(self, asked: Asked) -> I32 | None:
        linked, model = self._artifact(Listing.LINKED, asked), self._artifact(Listing.OWN, asked)
        if linked is None or model is None:
            return None
        return mixed_lists(linked, self._together, model, ENCODERS[model.encoder], asked, self.watch)

    def _artifact(self, listing: Listing, asked: Asked) -> Artifact | None:
        match listing:
            case Listing.LINKED:
                return self.links.get(PLACES[asked.kind])
            case Listing.BOUGHT_TOGETHER | Listing.COMPLEMENTS:
                return self._together
            case Listing.RELATED | Listing.NEIGHBOURS:
                return self._similar(np.unique(asked.given.items).astype(np.int64))
            case Listing.OWN:
                artifact = self.selected.before(self.fold, self.deadline)
                return None if artifact.encoder in IMPERSONAL else artifact
        raise ValueError(f"{listing} is no contender")

    @cached_property
    def _together(self) -> Artifact:
        counts = co_purchases_of(self.fold.past, self.rule, self.watch)
        numbers = np.arange(self.fold.past.n_items, dtype=np.int32)
        lists = StoredCoPurchases.counted(counts, numbers, self.categories.astype(np.int32)).lists
        return _as_links(self.fold, lists.nos, lists.offsets, lists.items)

    def _similar(self, rows: I64) -> Artifact | None:
        """The lists of some items."""
        shelf = self.shelf
        if shelf is None:
            return None
        if self.blend is None:
            lists = nearest(shelf.directions, shelf.trained, shelf.neighbours, 1, rows)
        else:
            lists = similar_lists(shelf.shelves, rows, self.blend, SIMILAR_DEPTH)
        there = lists >= 0
        offsets = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
        return _as_links(self.fold, rows.astype(np.int32), offsets, lists[there])

    @cached_property
    def popular(self) -> I64:
        """Item codes, the most popular first."""
        scores = popularity(self.fold.past, self.fold.cut_s, self.popular_days)
        return np.argsort(-scores, kind="stable")[: int((scores > 0).sum())]

    def last_item(self) -> Artifact | None:
        """What was most often in the visits of the last item; None where nothing was."""
        options = FitOptions(
            seed=0,
            threads=1,
            now_s=self.fold.cut_s,
            report=lambda _step, _steps: self.watch(),
            pairs=self.rule,
        )
        try:
            return Cooccurrence(_LAST_ITEM).fit(TrainingData(self.fold.past), options)
        except RefusedError:
            self.watch()
            return None


def _as_links(fold: Fold, nos: I32, offsets: I64, items: I32) -> Artifact:
    """Ranked lists as rows of links, whose sum is what serving makes of several lists: 1 / place of each."""
    owners = np.repeat(np.arange(len(nos)), np.diff(offsets))
    places = np.arange(len(items)) - offsets[owners]
    order = np.lexsort((items, owners))
    weights = (1 / (1 + places[order])).astype(np.float32)
    arrays: dict[str, Array] = {
        "nos": nos.astype(np.int32),
        "offsets": offsets,
        "items": items[order],
        "weights": weights,
    }
    return Artifact(
        family="lists",
        params={},
        item_ids=fold.past.item_ids,
        item_vectors=np.empty((len(fold.past.item_ids), 0), dtype=np.float32),
        user_keys=np.empty((0, 2), dtype=np.uint64),
        user_vectors=np.empty((0, 0), dtype=np.float32),
        encoder=LINKS,
        encoder_params={"memory": float("inf"), "own": 0.0},
        encoder_arrays={f"link_{name}": array for name, array in arrays.items()},
    )
