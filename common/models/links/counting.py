"""The counting of pairs: how often items follow or accompany each other, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.models.links.config import CooccurrenceConfig
from common.schemas.data import F32, F64, I32, I64, Bools
from common.schemas.ordering import stable_order

PAIRS_AT_ONCE: Final = 4_000_000
"""Pairs in memory at once: about 300 MB while they are sorted."""

LATEST: Final = 50_000
"""Occurrences of an item that are counted, the latest; the counts are extrapolated to all. The counts of so many say
enough, and one item then takes at most as many pairs as this times twice the window."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Events in sequences, as pairs are counted over them.

    items: (n,) int32 item numbers, one sequence after the other, oldest first
    sequences: (n,) int64, equal for the events of one sequence, ascending
    units: (n,) int64, equal for events that one person may have caused
    weights: (n,) float32
    """

    items: I32
    sequences: I64
    units: I64
    weights: F32


@dataclass(frozen=True, eq=False)
class LinkCounts:
    """Counted pairs, sorted by item and other.

    items, others: (m,) int32 numbers
    counts: (m,) float64
    units: (m,) int64, the number of distinct units behind a pair
    """

    items: I32
    others: I32
    counts: F64
    units: I64

    def where(self, mask: Bools) -> LinkCounts:
        return LinkCounts(self.items[mask], self.others[mask], self.counts[mask], self.units[mask])


def item_sums(steps: Steps, config: CooccurrenceConfig, n_items: int) -> tuple[F64, F64]:
    """(n_items,) float64 each: the sum of the counts of all links from an item, and of all links to it."""
    leaving, arriving = np.zeros(n_items), np.zeros(n_items)
    everywhere = np.arange(len(steps.items))
    for step, factor in _steps(config):
        here, there = _pairs(steps, everywhere, step)
        counts = steps.weights[there] * np.float32(factor)
        leaving += np.bincount(steps.items[here], counts, n_items)
        arriving += np.bincount(steps.items[there], counts, n_items)
    return leaving, arriving


def count_pairs(steps: Steps, config: CooccurrenceConfig, n_items: int) -> Iterator[LinkCounts]:
    """The pairs of all items, in blocks of items, ascending."""
    by_item = np.argsort(steps.items, kind="stable")
    occurrences = np.bincount(steps.items, minlength=n_items)
    ends = np.cumsum(occurrences)
    counted = np.minimum(occurrences, LATEST)
    room = max(1, PAIRS_AT_ONCE // len(list(_steps(config))))
    for first, last in _blocks(counted, room):
        spans = [by_item[end - n : end] for end, n in zip(ends[first:last], counted[first:last], strict=True)]
        places = np.sort(np.concatenate(spans))
        if len(places):
            scale = occurrences[first:last] / np.maximum(counted[first:last], 1)
            yield _count(steps, places, config, n_items, first, scale)


def _blocks(sizes: I64, room: int) -> Iterator[tuple[int, int]]:
    """Ranges of items whose sizes sum to at most `room`, or of one item that is larger."""
    sums = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        before = sums[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(sums, before + room, side="right")))
        yield first, last
        first = last


def _steps(config: CooccurrenceConfig) -> Iterator[tuple[int, float]]:
    """Each distance between two events, negative for a link to the earlier one, and how much such a pair counts."""
    for distance in range(1, config.window + 1):
        factor = distance**-config.nearness.power
        yield distance, factor
        if config.backward:
            yield -distance, factor * config.backward


def _pairs(steps: Steps, places: I64, step: int) -> tuple[I64, I64]:
    """The places that have an event `step` places away in their sequence, and the places of those."""
    there = places + step
    inside = (there >= 0) & (there < len(steps.items))
    here, there = places[inside], there[inside]
    same = steps.sequences[here] == steps.sequences[there]
    return here[same], there[same]


def _count(steps: Steps, places: I64, config: CooccurrenceConfig, n_items: int, first: int, scale: F64) -> LinkCounts:
    """The pairs of the events at `places`, whose items begin with `first`; scale: by item, from what is counted to
    all."""
    found = [(*_pairs(steps, places, step), factor) for step, factor in _steps(config)]
    keys = np.concatenate([_keys(steps, here, there, n_items, first) for here, there, _ in found])
    counts = np.concatenate([steps.weights[there] * np.float32(factor) for _, there, factor in found])
    units = _units_of_keys(keys, np.concatenate([steps.units[here] for here, _, _ in found]))
    order = stable_order(keys)
    keys = keys[order]
    begins = np.flatnonzero(np.diff(keys, prepend=-1))
    items, others = np.divmod(keys[begins], n_items)
    return LinkCounts(
        items=(items + first).astype(np.int32),
        others=others.astype(np.int32),
        counts=_sums(counts[order], begins) * scale[items],
        units=units,
    )


def _keys(steps: Steps, here: I64, there: I64, n_items: int, first: int) -> I64:
    """(m,) int64: one number for each pair of an item, counted from `first`, and another."""
    keys: I64 = (steps.items[here].astype(np.int64) - first) * n_items + steps.items[there]
    return keys


def _units_of_keys(keys: I64, units: I64) -> I64:
    """(m,) int64: the number of distinct units of each distinct key, by ascending key."""
    order = np.lexsort((units, keys)) if _is_too_large(keys, units) else None
    if order is None:
        n_units = int(units.max(initial=0)) + 1
        both = keys * n_units + units
        both.sort()
        distinct = both[np.flatnonzero(np.diff(both, prepend=-1))] // n_units
    else:
        keys, units = keys[order], units[order]
        distinct = keys[(np.diff(keys, prepend=-1) != 0) | (np.diff(units, prepend=-1) != 0)]
    return np.diff(np.append(np.flatnonzero(np.diff(distinct, prepend=-1)), len(distinct)))


def _is_too_large(keys: I64, units: I64) -> bool:
    """Whether a key and a unit together do not fit into one number."""
    return int(keys.max(initial=0)).bit_length() + int(units.max(initial=0)).bit_length() > 62


def _sums(values: F32, begins: I64) -> F64:
    return np.add.reduceat(values, begins, dtype=np.float64) if len(begins) else np.zeros(0)
