"""Recommendations of the published bundle for the report: of a few sample people for reading, of many for counting."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from common.config import Purchased
from common.evaluation.report.document import Popularity, Product, SamplePerson
from common.ids import join_user_key
from common.schemas.data import EVENT_TYPES, F64, I64, NO_USER, U64, EventType, Interactions
from common.serving.bundle import ServedBundle
from common.serving.evidence import Reason
from common.serving.purchased import with_purchased
from common.serving.ranking import Pick, RankingRequest, rank

TENTHS: Final = 10


def popularity_of(sold: I64, lists: Sequence[I64]) -> Popularity | None:
    """The shares of purchases and of recommendations by tenth of the catalogue; None where there is nothing to count.

    sold: (n_items,) int64, purchases of every item that may be shown; lists: for each person the shown items, as
    positions in `sold`.
    """
    shown = np.bincount(np.concatenate([np.empty(0, np.int64), *lists]), minlength=len(sold))
    if not sold.any() or not shown.any():
        return None
    order = np.argsort(-sold, kind="stable")
    return Popularity(
        purchases=_by_tenth(sold[order]),
        recommendations=_by_tenth(shown[order]),
        people=len(lists),
        shown_items=int((shown > 0).sum()),
        items=len(sold),
    )


def sold_by_item(data: Interactions) -> I64:
    """(n_items,) int64: lines of purchases, or all events in a shop without purchases."""
    bought = data.event_types == EVENT_TYPES.index(EventType.PURCHASE)
    return np.bincount(data.items[bought] if bought.any() else data.items, minlength=data.n_items)


def _by_tenth(counts: I64) -> tuple[float, ...]:
    ends = np.round(np.linspace(0, len(counts), TENTHS + 1)).astype(np.int64)
    totals: F64 = np.diff(np.concatenate([[0], np.cumsum(counts)])[ends]) / counts.sum()
    return tuple(totals.tolist())


ANSWER_LENGTH: Final = 10
SHOWN_PURCHASES: Final = 8
"""Last purchases that are shown of a sample person."""

COUNTED_PEOPLE: Final = 1000
"""People whose recommendations are counted: enough to know shares to two percentage points, in a second of processor
time."""

QUANTILES: Final = {"A": 0.25, "B": 0.5, "C": 0.9}
"""The sample people, by their place in the order of number of purchases, among people with `MIN_PURCHASES` purchases or
more."""

MIN_PURCHASES: Final = 5

_REASON_WORDS: Final = {
    Reason.BECAUSE_YOU_BOUGHT: "because of {}",
    Reason.BUY_AGAIN: "bought before",
    Reason.SIMILAR_TO: "like {}",
    Reason.IN_YOUR_BASKET: "goes with {}",
    Reason.POPULAR: "popular",
    Reason.POPULAR_IN_CATEGORY: "popular in its category",
    Reason.NEW: "new",
}


class Samples:
    """Sample people and counts from one bundle. The same data and seed give the same people."""

    def __init__(self, bundle: ServedBundle, data: Interactions, purchased: Purchased, seed: int) -> None:
        self._bundle = bundle
        self._data = data
        self._purchased = purchased
        self._rng = np.random.default_rng(seed)
        bought = (data.event_types == EVENT_TYPES.index(EventType.PURCHASE)) & (data.users != NO_USER)
        self._buyers, self._items = data.users[bought], data.items[bought]

    def popularity(self) -> Popularity | None:
        """The counts over `COUNTED_PEOPLE` people."""
        known = np.unique(self._data.users[self._data.users != NO_USER])
        people = self._rng.choice(known, min(COUNTED_PEOPLE, len(known)), replace=False)
        lists = [np.array([pick.item_no for pick in self._picks(person)], np.int64) for person in people.tolist()]
        return popularity_of(self._sold(), lists)

    def people(self) -> list[SamplePerson]:
        """The sample people with their last purchases and recommendations."""
        return [self._sample(label, person) for person, label in self._chosen]

    def keys(self) -> U64:
        """(n, 2) uint64: the keys of `people`."""
        return self._data.user_keys[[person for person, _ in self._chosen]]

    @cached_property
    def _chosen(self) -> list[tuple[int, str]]:
        counts = np.bincount(self._buyers, minlength=self._data.n_users)
        often = np.flatnonzero(counts >= MIN_PURCHASES)
        by_count = often[np.lexsort((self._rng.random(len(often)), counts[often]))]
        places = {label: int(quantile * len(by_count)) for label, quantile in QUANTILES.items()}
        chosen = {label: int(by_count[place]) for label, place in places.items() if place < len(by_count)}
        distinct = {person: label for label, person in reversed(chosen.items())}
        return sorted(distinct.items(), key=lambda item: item[1])

    def _sample(self, label: str, person: int) -> SamplePerson:
        items = self._items[self._buyers == person].tolist()
        times = Counter(items)
        latest = list(dict.fromkeys(reversed(items)))[:SHOWN_PURCHASES]
        return SamplePerson(
            label=label,
            purchases=len(items),
            items=len(times),
            bought=tuple(self._bought(self._data.item_ids[item], times[item]) for item in latest),
            recommended=tuple(self._recommended(pick) for pick in self._picks(person)),
        )

    def _picks(self, person: int) -> list[Pick]:
        known = self._bundle.find_person(join_user_key(*self._data.user_keys[person].tolist()))
        return rank(
            self._bundle, with_purchased(self._bundle, RankingRequest(n=ANSWER_LENGTH, person=known), self._purchased)
        )

    def _sold(self) -> I64:
        """(n,) int64 by item number of the bundle."""
        numbers = self._bundle.items.find_all(self._data.item_ids)
        sold = np.zeros(self._bundle.items.n, np.int64)
        sold[numbers[numbers >= 0]] = sold_by_item(self._data)[numbers >= 0]
        return sold

    def _bought(self, item_id: str, times: int) -> Product:
        number = self._bundle.items.find(item_id)
        note = f"{times} times" if times > 1 else ""
        return Product(title=item_id, note=note) if number is None else _product(self._card(number), note)

    def _recommended(self, pick: Pick) -> Product:
        reason, item = pick.cause
        named = _title(self._card(item)) if item is not None else ""
        return _product(self._card(pick.item_no), _REASON_WORDS[reason].format(named))

    def _card(self, item_no: int) -> dict[str, Any]:
        card: dict[str, Any] = json.loads(self._bundle.items.card(item_no))
        return card


def _product(card: dict[str, Any], note: str) -> Product:
    described = ", ".join(card[name] for name in ("category", "brand") if card.get(name))
    return Product(title=_title(card), about=described, note=note)


def _title(card: dict[str, Any]) -> str:
    return str(card.get("title") or card["item_id"])
