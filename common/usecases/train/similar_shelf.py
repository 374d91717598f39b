"""The items of a shop at the beginning of a window, as the methods for similar items know them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from common.evaluation.similar import Scores
from common.evaluation.split import Fold
from common.models.artifact import Artifact
from common.models.popularity import popularity
from common.models.similar.interchange import Interchange
from common.models.similar.lists import Shelves
from common.models.similar.paths import CategoryTree
from common.models.similar.traits import unit
from common.schemas.data import EVENT_TYPES, F32, I64, Bools, Catalogue, EventType, Weighting
from common.schemas.documents import DEFAULT_BLEND, SimilarBlend
from common.schemas.pairs import PairRule
from common.usecases.publish.layers.base import eligible
from common.usecases.publish.layers.cold import learn_groups
from common.usecases.publish.layers.histories import buyers_of, histories_of
from common.usecases.publish.layers.items import aligned, take
from common.usecases.publish.layers.people import PersonEncoder
from common.usecases.publish.layers.rankings import category_codes
from common.usecases.publish.layers.similar import SimilarBase, mixed_directions

COMMON_VISITORS: Final = 1e6
"""The weight that puts items with common visitors before all others."""


@dataclass(frozen=True, eq=False)
class JudgedShelf:
    """Items by the codes of the interactions.

    groups: (n_items,) int64, leaf categories; items without one are a group too where they are compared by views, and
    else -1
    directions: (n_items, width) float32, as `mixed_directions` gives them
    trained: (n_items,) bool
    neighbours: (n_items,) bool, what the nearest vectors may list
    """

    shelves: Shelves
    groups: I64
    directions: F32
    trained: Bools
    neighbours: Bools

    @property
    def has_categories(self) -> bool:
        return bool((self.shelves.tree.leaves >= 0).any())

    def by(self, blend: SimilarBlend) -> Scores:
        """The scores of a blend; of items without a category as their lists are made, by common visitors first."""
        bare = SimilarBlend(
            interchange=COMMON_VISITORS * bool(blend.interchange),
            popular=0,
            vectors=blend.vectors or DEFAULT_BLEND.vectors,
            words=blend.words,
            brand=0,
            price=0,
        )

        def scores(rows: I64, others: I64) -> F32:
            named = len(rows) == 0 or self.shelves.tree.leaves[rows[0]] >= 0
            return self.shelves.scores(rows, others, blend if named else bare)

        return scores

    def by_one(self, blend: SimilarBlend) -> Scores:
        """The scores of a blend for all items, with a category or without."""
        return lambda rows, others: self.shelves.scores(rows, others, blend)

    def by_vectors(self) -> Scores:
        """The cosine of the directions of what may be listed."""
        directions = unit(self.directions)

        def scores(rows: I64, others: I64) -> F32:
            found = directions[rows] @ directions[others].T
            found[:, ~self.neighbours[others]] = -np.inf
            return np.asarray(found, dtype=np.float32)

        return scores

    def best_sellers(self, n: int) -> I64:
        """The codes of the `n` most popular items, ascending."""
        return np.sort(np.argsort(-self.shelves.popular, kind="stable")[:n])


def judged_shelf(
    fold: Fold, catalogue: Catalogue, artifact: Artifact, popular_days: float, rule: PairRule
) -> JudgedShelf:
    """What is known before the window. `artifact` has learned from what is before it; the catalogue is today's."""
    past = fold.past
    items = aligned(catalogue, past.item_ids, unlisted_available=True)
    trained, directions = _directions(fold, items, artifact)
    codes, names = category_codes(items.categories)
    tree = CategoryTree.of(codes, names)
    people = _buyers(fold, artifact)
    numbers = np.arange(past.n_items)
    shelves = Shelves(
        traits=SimilarBase.of(directions, items).traits,
        tree=tree,
        popular=popularity(past, fold.cut_s, popular_days),
        listed=np.ones(past.n_items, dtype=np.bool_),
        interchange=Interchange.of(past, numbers, tree.leaves, rule),
    )
    groups = tree.leaves.astype(np.int64)
    if (past.event_types == EVENT_TYPES.index(EventType.VIEW)).any():
        groups = np.where(groups < 0, groups.max(initial=-1) + 1, groups)
    return JudgedShelf(shelves, groups, directions, trained, eligible(people, trained))


def _directions(fold: Fold, items: Catalogue, artifact: Artifact) -> tuple[Bools, F32]:
    code_of = {item_id: code for code, item_id in enumerate(fold.past.item_ids)}
    codes = np.array([code_of[item_id] for item_id in artifact.item_ids], dtype=np.int64)
    encoder = PersonEncoder(artifact.encoder, artifact.encoder_params, artifact.encoder_arrays)
    width = artifact.dim - encoder.n_biases(artifact.item_vectors)
    trained = np.zeros(len(items), dtype=np.bool_)
    trained[codes] = True
    own = np.zeros((len(items), width), dtype=np.float32)
    own[codes] = artifact.item_vectors[:, :width]
    nobody = np.zeros((1, artifact.dim), dtype=np.float32)
    groups = learn_groups(artifact.item_vectors, take(items, codes), artifact.dim - width, nobody, take(items, []))
    group = groups.directions_of(items)[:, :width]
    return trained, mixed_directions(own, group, _buyers(fold, artifact), trained)


def _buyers(fold: Fold, artifact: Artifact) -> I64:
    """(n_items,) int64: the people with an item in their history, as a base counts them."""
    weighting = Weighting.model_validate(artifact.params.get("weighting", {}))
    return buyers_of(histories_of(fold.past, weighting, fold.cut_s), fold.past)
