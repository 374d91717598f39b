"""Evidence of a visitor's taste: the items that give the query vector and explain the recommendations."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from common.schemas.data import F32, I8, I32, EventType
from common.serving.bundle import ServedBundle
from common.serving.people import Person

# Reasons are searched among a person's latest items only: older ones cost time, and people remember them less.
MAX_CAUSES: Final = 64


class Reason(StrEnum):
    """The reason that an answer gives for an item."""

    __hash__ = str.__hash__  # an Enum's own is a Python function, and reasons are keys in each item of an answer

    BECAUSE_YOU_BOUGHT = "because_you_bought"
    BUY_AGAIN = "buy_again"
    SIMILAR_TO = "similar_to"
    IN_YOUR_BASKET = "in_your_basket"
    BOUGHT_TOGETHER = "bought_together"
    POPULAR = "popular"
    POPULAR_IN_CATEGORY = "popular_in_category"
    NEW = "new"
    BECAUSE_YOU_VIEWED = "because_you_viewed"
    RECENTLY_VIEWED = "recently_viewed"
    ON_SALE = "on_sale"


# `Evidence.kinds` are positions here. Positions 0 and 1 are the values of `Person.purchased`, False and True.
_EVIDENCE_REASONS: Final = (Reason.SIMILAR_TO, Reason.BECAUSE_YOU_BOUGHT, Reason.IN_YOUR_BASKET)
_KIND_OF: Final = {EventType.VIEW: 0, EventType.RETURN: 0, EventType.PURCHASE: 1, EventType.CART: 2}


class SessionItem(NamedTuple):
    """An item of the visit: a cart event for an item in the basket, a view for an item that was looked at."""

    item_no: int
    kind: EventType


class ItemReason(NamedTuple):
    """Why an item is shown: the reason, and the other item that it names, if any."""

    reason: Reason
    item_no: int | None = None


class Evidence(NamedTuple):
    """Items that tell of a visitor's taste, oldest first.

    items: (m,) int32 numbers
    weights: (m,) float32
    kinds: (m,) int8, positions in `_EVIDENCE_REASONS`
    vector: (dim,) float32, where the query vector is known already
    """

    items: I32
    weights: F32
    kinds: I8
    vector: F32 | None = None

    @classmethod
    def of_person(cls, person: Person) -> Evidence:
        """The history of a person."""
        return cls(person.items, person.weights, person.purchased.view(np.int8), person.vector)

    @classmethod
    def of_session(cls, bundle: ServedBundle, session: tuple[SessionItem, ...]) -> Evidence:
        """The items of a visit, weighed by the kind of event."""
        items = np.array([item.item_no for item in session], np.int32)
        weights = np.array([bundle.event_weights[item.kind] for item in session], np.float32)
        return cls(items, weights, np.array([_KIND_OF[item.kind] for item in session], np.int8))

    def then(self, later: Evidence) -> Evidence:
        """Both together. The query vector has to be made again, so there is no `vector`."""
        return Evidence(
            np.concatenate([self.items, later.items]),
            np.concatenate([self.weights, later.weights]),
            np.concatenate([self.kinds, later.kinds]),
        )

    def query(self, bundle: ServedBundle) -> F32 | None:
        """The (dim,) float32 query vector; None where there is no evidence."""
        if self.vector is not None or not len(self.items):
            return self.vector
        return bundle.encode(self.items, self.weights)

    def cause(self, place: int) -> ItemReason:
        """The piece of evidence at a place, as a reason."""
        return ItemReason(_EVIDENCE_REASONS[int(self.kinds[place])], int(self.items[place]))

    def causes(self, bundle: ServedBundle, item_nos: I32) -> list[ItemReason]:
        """For each item, the piece of evidence that adds most to its score."""
        if not len(self.items):
            return [ItemReason(Reason.POPULAR)] * len(item_nos)
        if len(self.items) > MAX_CAUSES:
            latest = slice(-MAX_CAUSES, None)
            return Evidence(self.items[latest], self.weights[latest], self.kinds[latest]).causes(bundle, item_nos)
        added = bundle.influence(item_nos, self.items) * self.weights
        strongest: npt.NDArray[np.intp] = added.argmax(1)
        reasons = map(_EVIDENCE_REASONS.__getitem__, self.kinds[strongest].tolist())
        return list(map(ItemReason, reasons, self.items[strongest].tolist()))
