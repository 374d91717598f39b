"""The lists of similar items of a layer, and what a base stores so that an update can make those of new items.

Items of the same leaf category come first, then those of wider ones, ranked by the model's `SimilarBlend`; for an item
without a category, those that the same visitors viewed. Behind them come the nearest of all by the directions of
vectors and the words of titles, and for an item without a title by directions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.models.similar.interchange import Interchange
from common.models.similar.lists import Shelves, similar_lists
from common.models.similar.paths import CategoryTree
from common.models.similar.traits import Traits, TraitsOf, unit
from common.models.similar.words import TitleCounts
from common.schemas.data import F32, I32, I64, Bools, Catalogue
from common.schemas.documents import DEFAULT_BLEND, SimilarBlend
from common.serving.similar import similar_items
from common.usecases.publish.layers.cold import PRIOR_ITEMS
from common.usecases.publish.layers.rankings import RankedItems

SIMILAR_DEPTH: Final = 32
"""Neighbours kept of each item: enough for a row of ten after a filter."""


def mixed_directions(own: F32, group: F32, people: I64, trained: Bools) -> F32:
    """(n, width) float32: the directions of items and their groups in one.

    The vector of an item with few buyers has a random direction. So it is averaged with the direction of its group (see
    `cold`), which has the weight of `PRIOR_ITEMS` buyers.

    own: (n, width) float32, the items' vectors without a bias
    group: (n, width) float32, the unit directions of their groups
    people: (n,) int64, the number of buyers
    """
    lengths = np.linalg.norm(own, axis=1)
    weights = np.where(trained & (lengths > 0), people / np.where(lengths > 0, lengths, 1), 0)
    return np.asarray(weights[:, None] * own + PRIOR_ITEMS * group, dtype=np.float32)


def nearest(directions: F32, trained: Bools, listed: Bools, threads: int, rows: I64 | None = None) -> I32:
    """(len(rows), SIMILAR_DEPTH) int32: the nearest to each of the rows by direction, best first, -1 behind the last.

    listed: (n,) bool, items that may be neighbours
    rows: item numbers, ascending; all by default
    """
    wanted = np.arange(len(directions)) if rows is None else rows
    # Untrained items of one group have the same direction, so their neighbours are searched once.
    known, untrained = wanted[trained[wanted]], wanted[~trained[wanted]]
    _, first, same_as = np.unique(directions[untrained], axis=0, return_index=True, return_inverse=True)
    searched = np.concatenate([known, untrained[first]]).astype(np.int32)
    found = similar_items(directions, SIMILAR_DEPTH, searched, threads, np.flatnonzero(listed).astype(np.int32))
    similar = np.empty((len(wanted), SIMILAR_DEPTH), dtype=np.int32)
    similar[trained[wanted]] = found[: len(known)]
    similar[~trained[wanted]] = found[len(known) :][same_as.reshape(-1)]
    return similar


@dataclass(frozen=True, eq=False)
class SimilarBase:
    """What a base stores of its items to compare later ones with them.

    titles: how frequent the pieces of titles are
    """

    traits: Traits
    titles: TitleCounts

    @classmethod
    def of(cls, directions: F32, catalogue: Catalogue) -> SimilarBase:
        titles = TitleCounts.of(catalogue.titles)
        return cls(Traits.of(directions, catalogue, titles), titles)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by their names among the encoder arrays of a base."""
        n_titles = np.array([self.titles.n], dtype=np.int64)
        return {**self.traits.arrays(), "similar_in_titles": self.titles.in_titles, "similar_n_titles": n_titles}

    @classmethod
    def stored(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> SimilarBase | None:
        """From the encoder arrays of a base; None where it was made without a blend."""
        traits = Traits.from_arrays(arrays)
        if traits is None:
            return None
        return cls(traits, TitleCounts(arrays["similar_in_titles"], int(arrays["similar_n_titles"][0])))


def blended_lists(
    blend: SimilarBlend, traits: TraitsOf, shelf: RankedItems, interchange: Interchange, rows: I64
) -> tuple[I32, I64]:
    """(len(rows), SIMILAR_DEPTH) int32, by category; and the places in `rows` whose lists are not full."""
    tree = CategoryTree.of(shelf.categories, shelf.names)
    shelves = Shelves(traits, tree, shelf.scores, shelf.available, interchange)
    lists = similar_lists(shelves, rows, blend, SIMILAR_DEPTH)
    return lists, np.flatnonzero(lists[:, -1] < 0)


def _vectors(traits: Traits, blend: SimilarBlend) -> F32:
    """(n, width) float32: vectors of directions and words, in which the catalogue's other items are searched."""
    return traits.vectors(blend if blend.vectors or blend.words else DEFAULT_BLEND)


def _worded(traits: Traits) -> Bools:
    worded: Bools = np.asarray(traits.words.any(axis=1), dtype=np.bool_)
    return worded


def behind(lists: I32, places: I64, more: I32) -> None:
    """Adds `more` (len(places), k) behind the lists at `places`, as far as they have room, nothing twice."""
    for place, others in zip(places.tolist(), more, strict=True):
        own = lists[place]
        n = np.count_nonzero(own >= 0)
        fresh = others[~np.isin(others, own[:n]) & (others >= 0)][: len(own) - n]
        own[n : n + len(fresh)] = fresh


def lists_of_base(
    blend: SimilarBlend,
    base: SimilarBase,
    shelf: RankedItems,
    interchange: Interchange,
    directions: F32,
    trained: Bools,
    neighbours: Bools,
    threads: int,
) -> I32:
    """(n, SIMILAR_DEPTH) int32: the lists of all items, best first, -1 behind the last."""
    lists, places = blended_lists(blend, base.traits, shelf, interchange, np.arange(len(directions)))
    listed = neighbours & shelf.available
    worded = _worded(base.traits)
    bare, titled = places[~worded[places]], places[worded[places]]
    behind(lists, bare, nearest(directions, trained, listed, threads, bare))
    if len(titled):
        among = np.flatnonzero(listed).astype(np.int32)
        vectors = _vectors(base.traits, blend)
        behind(lists, titled, similar_items(vectors, SIMILAR_DEPTH, titled.astype(np.int32), threads, among))
    return lists


def lists_of_delta(
    blend: SimilarBlend, traits: TraitsOf, shelf: RankedItems, rows: I64, neighbours: I64, threads: int
) -> I32:
    """(len(rows), SIMILAR_DEPTH) int32: the lists of items that came after the base.

    neighbours: numbers of the items of the base that may stand behind those of the item's categories
    """
    lists, places = blended_lists(blend, traits, shelf, Interchange.nothing(len(shelf.available)), rows)
    own = traits.at(rows[places])
    worded = _worded(own)
    for some, with_title in ((~worded, False), (worded, True)):
        if some.any():
            others = traits.at(neighbours)
            vectors = [_vectors(part, blend) if with_title else unit(part.directions) for part in (own, others)]
            found = similar_items(
                np.concatenate([vectors[0][some], vectors[1]]),
                SIMILAR_DEPTH,
                np.arange(int(some.sum()), dtype=np.int32),
                threads,
                np.arange(int(some.sum()), int(some.sum()) + len(neighbours), dtype=np.int32),
            )
            behind(lists, places[some], np.where(found >= 0, neighbours[found - some.sum()], -1).astype(np.int32))
    return lists
