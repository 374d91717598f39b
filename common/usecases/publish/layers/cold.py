"""Vectors of items without training, from the items of the same category, brand and price band.

An item is in up to four nested groups: all items, its category, its brand in that category, and its price band in
those. Trained vectors of one group have similar directions, while their lengths depend on how often each is bought. So
the direction of a group is the mean of its items' directions and that of the next wider group, which counts as
`PRIOR_ITEMS` items (an empirical Bayes estimate). Biases are averaged in the same way:

        d(group) = (Σ directions + PRIOR_ITEMS · d(wider group)) / (n_items + PRIOR_ITEMS)

An unseen item gets the direction of its narrowest group with trained items. Its length is such that all unseen items
together take at most `SHARE` of people's first ten places: enough to be found among similar items, too little to
displace what people buy. This length differs between shops, so it is computed from a sample of people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from common.schemas.data import F32, F64, U64, Catalogue

# With 20 items, .63 of untrained items scored below the new ones that were bought (docs/measurements-models.md).
PRIOR_ITEMS: Final = 20.0
# At this share, untrained items cost no NDCG@10 in shops of 100 to 68,000 items (docs/measurements-models.md).
SHARE: Final = 0.03
LONGEST: Final = 0.9
"""The longest length of an unseen item, as a quantile of the lengths of trained items."""
PLACES: Final = 10
SAMPLE: Final = 200
"""People whose first places are computed."""
AT_ONCE: Final = 16
"""People of the sample whose scores of all items are in memory at once: 64 MB for a million items."""
BANDS_PER_DOUBLING: Final = 2
"""Price bands for each doubling of the price. A band is a factor of √2: shirts of 10 and 13 are neighbours, one of 40
is not."""
_NO_GROUP: Final = 0


@dataclass(frozen=True)
class Groups:
    """The directions of groups, and the length of an unseen item's vector.

    keys: (n_groups,) uint64, sorted hashes of the groups' names
    directions: (n_groups, dim) float32 of length 1, with the mean biases in the last columns where the family has any
    unknown: (dim,) float32, for an item without any known attribute: no direction, and the mean biases
    scale: (dim,) float32, factors that make a vector from a direction
    """

    keys: U64
    directions: F32
    unknown: F32
    scale: F32

    def directions_of(self, catalogue: Catalogue) -> F32:
        """(n_items, dim) float32: the direction of each item's narrowest group."""
        directions = np.tile(self.unknown, (len(catalogue), 1))
        for keys in _group_keys(catalogue) if len(self.keys) else ():
            places = np.searchsorted(self.keys, keys)
            places[places == len(self.keys)] = 0
            hit = np.flatnonzero(self.keys[places] == keys)
            directions[hit] = self.directions[places[hit]]
        return directions

    def vectors_of(self, catalogue: Catalogue) -> F32:
        """(n_items, dim) float32: the vectors of items without training."""
        return self.directions_of(catalogue) * self.scale


def learn_groups(vectors: F32, catalogue: Catalogue, n_biases: int, people: F32, unseen: Catalogue) -> Groups:
    """The groups of trained items.

    vectors: (n_items, dim) float32, biases in the last `n_biases` columns
    catalogue: the rows of these items
    people: (m, dim) float32 query vectors, of which `SAMPLE` are used
    unseen: the items that get a vector now; later ones are counted as one for each group
    """
    width = vectors.shape[1] - n_biases
    lengths = np.linalg.norm(vectors[:, :width], axis=1)
    rows = vectors.astype(np.float64)
    rows[:, :width] /= np.where(lengths > 0, lengths, 1)[:, None]
    keys, estimates, unknown = _estimate(rows, catalogue)
    norms = np.linalg.norm(estimates[:, :width], axis=1)
    estimates[:, :width] /= np.where(norms > 0, norms, 1)[:, None]
    unknown[:width] = 0
    scale = np.ones(vectors.shape[1], dtype=np.float32)
    groups = Groups(keys, estimates.astype(np.float32), unknown.astype(np.float32), scale)
    if len(vectors) and width:
        candidates = np.concatenate([groups.directions, groups.directions_of(unseen)])
        scale[:width] = min(np.quantile(lengths, LONGEST), _fair_length(vectors, candidates, width, people))
    return groups


def _fair_length(vectors: F32, candidates: F32, width: int, people: F32) -> float:
    """The length at which the `candidates` take `SHARE` of people's first places."""
    people = people[np.linspace(0, len(people) - 1, min(SAMPLE, len(people))).astype(np.int64)]
    places = min(PLACES, max(len(vectors) // 2, 1))
    taken = int(SHARE * places * len(people))
    shortest = [np.empty(0, dtype=np.float32)]
    for start in range(0, len(people), AT_ONCE):
        some = people[start : start + AT_ONCE]
        worst = np.partition(some @ vectors.T, -places, axis=1)[:, -places, None]
        biases = some[:, width:] @ candidates[:, width:].T
        enough = _lengths_to_reach(worst - biases, some[:, :width] @ candidates[:, :width].T)
        shortest.append(np.partition(enough, taken)[: taken + 1] if taken < len(enough) else enough)
    enough = np.sort(np.concatenate(shortest))
    return float(enough[taken]) if taken < len(enough) else math.inf


def _lengths_to_reach(missing: F32, along: F32) -> F32:
    """The lengths at which `along` times the length is `missing`, left out where there is none; 0 where nothing is
    missing."""
    lengths = np.where(missing <= 0, 0, missing / np.where(along > 0, along, np.nan))
    return lengths[~np.isnan(lengths)]


def _estimate(rows: F64, catalogue: Catalogue) -> tuple[U64, F64, F64]:
    """The sorted keys of the groups, the estimate of each, and the mean of all rows."""
    dim = rows.shape[1]
    whole = rows.mean(axis=0) if len(rows) else np.zeros(dim)
    wider = np.tile(whole, (len(rows), 1))
    keys, estimates = [np.zeros(0, dtype=np.uint64)], [np.zeros((0, dim))]
    for level in _group_keys(catalogue):
        grouped = np.flatnonzero(level != _NO_GROUP)
        grouped = grouped[np.argsort(level[grouped], kind="stable")]
        names, starts, counts = np.unique(level[grouped], return_index=True, return_counts=True)
        sums = np.add.reduceat(rows[grouped], starts) if len(starts) else np.zeros((0, dim))
        # All items of a group are in the same wider group, so that of the first one is used.
        estimate = (sums + PRIOR_ITEMS * wider[grouped[starts]]) / (counts[:, None] + PRIOR_ITEMS)
        keys.append(names)
        estimates.append(estimate)
        wider[grouped] = np.repeat(estimate, counts, axis=0)
    all_keys, first = np.unique(np.concatenate(keys), return_index=True)
    return all_keys, np.concatenate(estimates)[first], whole


def _group_keys(catalogue: Catalogue) -> tuple[U64, U64, U64]:
    """(n_items,) uint64 keys of each item's category, brand and price band; `_NO_GROUP` where it has none."""
    bands = np.full(len(catalogue), np.nan)
    priced = catalogue.prices > 0
    bands[priced] = np.rint(BANDS_PER_DOUBLING * np.log2(catalogue.prices[priced]))
    rows = list(zip(catalogue.categories, catalogue.brands, bands.tolist(), strict=True))
    return (
        _keys([(category,) if category else None for category, _, _ in rows]),
        _keys([(category, brand) if brand else None for category, brand, _ in rows]),
        _keys([None if math.isnan(band) else (category, brand, f"{band:.0f}") for category, brand, band in rows]),
    )


def _keys(names: Sequence[tuple[str, ...] | None]) -> U64:
    keys = {name: _NO_GROUP if name is None else _key(name) for name in set(names)}
    return np.array([keys[name] for name in names], dtype=np.uint64)


def _key(name: tuple[str, ...]) -> int:
    digest = blake2b("\x1f".join((str(len(name)), *name)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1
