"""Vectors for items that training has not seen: from the items of the same category, brand and price band.

An item is in up to four nested groups: all items, its category, its brand in that category, its price band in those.
Trained vectors of one group point roughly the same way, while their lengths tell how often each is bought. So a
group's direction is the mean of its items' directions, drawn towards that of the next wider group as if `PRIOR_ITEMS`
more items pointed there (an empirical Bayes estimate), and biases are averaged likewise:

    d(group) = (Σ directions + PRIOR_ITEMS · d(wider group)) / (n_items + PRIOR_ITEMS)

An unseen item gets the direction of its narrowest group that has trained items, and a length at which all that is
unseen takes at most `SHARE` of the first ten places of people: enough to be found among its like, too little to
displace what people in fact buy. How long that is differs from shop to shop, so it is worked out from a sample of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from common.schemas.data import F32, F64, U64, Catalogue

# The grocer's year, als with 64 factors fitted without the last 28 days, where 3 % of what people bought was new, and
# with it 24,000 products that nobody buys. The share of untrained items that scored below the new ones bought: .54 with
# plain means; .57, .63, .67 with directions and a prior of 5, 20, 50 items.
PRIOR_ITEMS: Final = 20.0
# The same data cut down to shops of 100, 300, 1,000, 5,000 and 68,000 items. NDCG@10 without untrained items is .389,
# .341, .280, .235, .238; with them as long as 90 % of trained items .277, .219, .246, .234, .238; with the shorter of
# that and the length for a share of 3 %, .389, .341, .280, .235, .238.
SHARE: Final = 0.03
LONGEST: Final = 0.9
"""In any case no longer than this quantile of the trained items."""
PLACES: Final = 10
SAMPLE: Final = 200
"""People whose first places are looked at."""
AT_ONCE: Final = 16
"""People of the sample whose scores of all items are in memory together: 64 MB for a million items."""
BANDS_PER_DOUBLING: Final = 2
"""Price bands are steps of √2: shirts of 10 and 13 are neighbours, one of 40 is not."""
_NO_GROUP: Final = 0


@dataclass(frozen=True)
class Groups:
    """Where the items of each group point, and how far an unseen one goes.

    keys (n_groups,) uint64, sorted, hashes of the groups' names; directions (n_groups, dim) float32 of length 1, with
    the mean biases in the last columns where the family has any; unknown (dim,) float32 for an item of which nothing is
    known: no direction, and the mean biases; scale (dim,) float32 makes a vector of a direction.
    """

    keys: U64
    directions: F32
    unknown: F32
    scale: F32

    def directions_of(self, catalogue: Catalogue) -> F32:
        """(n_items, dim) float32: the direction of each item's narrowest group."""
        found = np.tile(self.unknown, (len(catalogue), 1))
        for keys in _group_keys(catalogue) if len(self.keys) else ():
            places = np.searchsorted(self.keys, keys)
            places[places == len(self.keys)] = 0
            hit = np.flatnonzero(self.keys[places] == keys)
            found[hit] = self.directions[places[hit]]
        return found

    def vectors_of(self, catalogue: Catalogue) -> F32:
        """(n_items, dim) float32 for items that training has not seen."""
        return self.directions_of(catalogue) * self.scale


def learn_groups(vectors: F32, catalogue: Catalogue, n_biases: int, people: F32, unseen: Catalogue) -> Groups:
    """From trained items: vectors (n_items, dim) float32, biases in their last `n_biases` columns, and their catalogue
    rows.

    people (m, dim) float32 are query vectors, of which `SAMPLE` are looked at, and `unseen` the items that are to get a
    vector at once; later ones are counted as one for each group.
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
    """The length of the `candidates`' directions at which they take `SHARE` of people's first places."""
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
    """The lengths, of those that have one, at which `along` times the length is `missing`; 0 where nothing is."""
    lengths = np.where(missing <= 0, 0, missing / np.where(along > 0, along, np.nan))
    return lengths[~np.isnan(lengths)]


def _estimate(rows: F64, catalogue: Catalogue) -> tuple[U64, F64, F64]:
    """The groups' keys, sorted, the estimate for each, and the mean of all rows."""
    dim = rows.shape[1]
    whole = rows.mean(axis=0) if len(rows) else np.zeros(dim)
    wider = np.tile(whole, (len(rows), 1))
    keys, estimates = [np.zeros(0, dtype=np.uint64)], [np.zeros((0, dim))]
    for level in _group_keys(catalogue):
        grouped = np.flatnonzero(level != _NO_GROUP)
        grouped = grouped[np.argsort(level[grouped], kind="stable")]
        names, starts, counts = np.unique(level[grouped], return_index=True, return_counts=True)
        sums = np.add.reduceat(rows[grouped], starts) if len(starts) else np.zeros((0, dim))
        # All items of a group are in the same wider group, so the first one's stands for it.
        estimate = (sums + PRIOR_ITEMS * wider[grouped[starts]]) / (counts[:, None] + PRIOR_ITEMS)
        keys.append(names)
        estimates.append(estimate)
        wider[grouped] = np.repeat(estimate, counts, axis=0)
    all_keys, first = np.unique(np.concatenate(keys), return_index=True)
    return all_keys, np.concatenate(estimates)[first], whole


def _group_keys(catalogue: Catalogue) -> tuple[U64, U64, U64]:
    """The keys (n_items,) uint64 of each item's category, brand and price band; `_NO_GROUP` where it has none."""
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
