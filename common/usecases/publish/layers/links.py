"""The links of a base and of a delta: of the night's model, and of what was added to it by batches.

A base stores the counts behind its links and the sums of its items. An update adds the counts of all batches since the
base, and writes the rows of the items in its batches only. Such a row is what a fit on all visits would give, but for
three things that a base does not know: pairs behind the fifty links of an item, visits that began before the base and
went on after it, and people who were behind a pair before the base where it is no link there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from common.models.artifact import Artifact
from common.models.cooccurrence import link_steps
from common.models.links.config import CooccurrenceConfig
from common.models.links.counting import LinkCounts, Steps, count_pairs, item_sums
from common.models.links.weighing import as_links, best_links, link_weights
from common.schemas.data import F64, I32, I64, Bools, Interactions
from common.schemas.links import ItemLinks, Place
from common.schemas.pairs import PairRule
from common.serving.layer import LINKS_PREFIX

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class StoredLinks:
    """The links of a base, by item number, with what an update needs.

    counts: (k,) float64, of each link
    leaving, arriving: (n,) float64, by item number, as `item_sums` gives them
    """

    links: ItemLinks
    counts: F64
    leaving: F64
    arriving: F64

    @classmethod
    def of_artifact(cls, artifact: Artifact, numbers: I32, n: int) -> StoredLinks:
        """From a model of links. numbers: (n_items of the artifact,) int32, ascending; n: number of items."""
        links, arrays = artifact.links, artifact.encoder_arrays
        assert links is not None
        sums = {name: np.zeros(n) for name in ("leaving", "arriving")}
        for name, of_item in sums.items():
            of_item[numbers] = arrays[f"link_{name}"]
        numbered = ItemLinks(numbers[links.nos], links.offsets, numbers[links.items], links.weights)
        return cls(numbered, np.asarray(arrays["link_counts"], dtype=np.float64), **sums)

    @classmethod
    def of_base(cls, links: ItemLinks, arrays: Arrays, place: Place) -> StoredLinks:
        """From a base's links of a place and its encoder arrays."""
        return cls(links, *(arrays[_name(place, name)] for name in ("counts", "leaving", "arriving")))

    def arrays(self, place: Place) -> dict[str, npt.NDArray[Any]]:
        """The arrays by their names among the encoder arrays of a base."""
        own = {"counts": self.counts, "leaving": self.leaving, "arriving": self.arriving}
        return {_name(place, name): array for name, array in own.items()}

    def updated(self, since: Steps, config: CooccurrenceConfig, touched: I32, n: int, min_people: int) -> ItemLinks:
        """The rows of the items `touched` (t,) int32; since: the visits of all batches since the base, with item
        numbers below n. A pair that is no link of the base needs `min_people` people since the base."""
        leaving, arriving = item_sums(since, config, n)
        leaving[: len(self.leaving)] += self.leaving
        arriving[: len(self.arriving)] += self.arriving
        before = self._pairs_of(touched)
        pairs = _merged(before, _counted(since, config, touched, n), min_people)
        weights = link_weights(pairs, leaving, arriving, config)
        best = best_links(pairs, weights, config.neighbours)
        kept = np.zeros(len(weights), dtype=np.bool_)
        kept[best] = True
        return as_links(pairs.where(kept), weights[kept])

    def _pairs_of(self, touched: I32) -> LinkCounts:
        items = np.repeat(self.links.nos, np.diff(self.links.offsets))
        known = np.ones(len(items), dtype=np.int64)
        return LinkCounts(items, self.links.items, self.counts, known).where(np.isin(items, touched))


def _name(place: Place, name: str) -> str:
    return f"{LINKS_PREFIX}{place}_{name}"


def steps_since(data: Interactions, config: CooccurrenceConfig, now_s: int, numbers: I32, rule: PairRule) -> Steps:
    """The visits in the events of batches; numbers: (n_items,) int32, of the data's item codes."""
    steps = link_steps(data, config, now_s, rule)
    return Steps(numbers[steps.items], steps.sequences, steps.units, steps.weights)


def _counted(since: Steps, config: CooccurrenceConfig, touched: I32, n: int) -> list[LinkCounts]:
    return [block.where(np.isin(block.items, touched)) for block in count_pairs(since, config, n)]


def _merged(before: LinkCounts, since: list[LinkCounts], min_people: int) -> LinkCounts:
    """The counts of both; pairs of `since` only if enough people are behind them or they are in `before`."""
    parts = [before, *since]
    items, others = np.concatenate([part.items for part in parts]), np.concatenate([part.others for part in parts])
    proven = np.concatenate([np.ones(len(before.items), np.bool_), *(part.units >= min_people for part in since)])
    if len(items) == 0:
        return before
    pairs, same_as = np.unique(np.stack([items, others], axis=1), axis=0, return_inverse=True)
    same_as = same_as.reshape(-1)
    sums = np.bincount(same_as, np.concatenate([part.counts for part in parts])).astype(np.float64)
    known: Bools = np.bincount(same_as, proven) > 0
    units: I64 = np.ones(len(pairs), dtype=np.int64)
    return LinkCounts(pairs[:, 0], pairs[:, 1], sums, units).where(known)


def newest_rows(layers: list[ItemLinks]) -> ItemLinks | None:
    """The rows of several layers as one, oldest first: of each item, that of the last layer which has one."""
    if not layers:
        return None
    nos = np.unique(np.concatenate([links.nos for links in layers]))
    rows = [next((links, span) for links in layers[::-1] if (span := links.span(int(no)))) for no in nos]
    lengths = [span.stop - span.start for _, span in rows]
    return ItemLinks(
        nos=nos,
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        items=np.concatenate([np.empty(0, np.int32), *(links.items[span] for links, span in rows)]),
        weights=np.concatenate([np.empty(0, np.float32), *(links.weights[span] for links, span in rows)]),
    )
