"""What is known of a visitor's taste: the query vector that it gives, and which of it explains a recommendation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from common.schemas.data import EVENT_TYPES, F32, I8, I32, EventType
from common.serving.bundle import ServedBundle
from common.serving.people import Person

# A reason is looked for among a person's latest items: older ones cost time and are remembered less.
MAX_CAUSES: Final = 64


class Reason(StrEnum):
    BECAUSE_YOU_BOUGHT = "because_you_bought"
    SIMILAR_TO = "similar_to"
    IN_YOUR_BASKET = "in_your_basket"
    POPULAR = "popular"
    POPULAR_IN_CATEGORY = "popular_in_category"
    NEW = "new"


_REASONS: Final = {
    EventType.PURCHASE: Reason.BECAUSE_YOU_BOUGHT,
    EventType.VIEW: Reason.SIMILAR_TO,
    EventType.CART: Reason.IN_YOUR_BASKET,
    EventType.RETURN: Reason.SIMILAR_TO,
}
_REASON_BY_CODE: Final = tuple(_REASONS[kind] for kind in EVENT_TYPES)
_PURCHASE, _VIEW = EVENT_TYPES.index(EventType.PURCHASE), EVENT_TYPES.index(EventType.VIEW)


class SessionItem(NamedTuple):
    """An item of the visit: a cart event for what is in the basket, a view for what was looked at."""

    item_no: int
    kind: EventType


class Cause(NamedTuple):
    """Why an item is shown: the reason, and the item that it names."""

    reason: Reason
    item_no: int | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """Items that say something about taste, oldest first.

    items (m,) int32 numbers, weights (m,) float32, kinds (m,) int8 positions in EVENT_TYPES; `vector` (dim,) float32
    where the query is known already.
    """

    items: I32
    weights: F32
    kinds: I8
    vector: F32 | None = None

    @classmethod
    def of_person(cls, person: Person) -> Evidence:
        kinds = np.where(person.purchased, np.int8(_PURCHASE), np.int8(_VIEW))
        return cls(person.items, person.weights, kinds, person.vector)

    @classmethod
    def of_session(cls, bundle: ServedBundle, session: tuple[SessionItem, ...]) -> Evidence:
        kinds = np.array([EVENT_TYPES.index(item.kind) for item in session], np.int8)
        items = np.array([item.item_no for item in session], np.int32)
        return cls(items, bundle.weighting.event_weights()[kinds], kinds)

    def then(self, later: Evidence) -> Evidence:
        """Both together, without a vector: it has to be made anew."""
        return Evidence(
            np.concatenate([self.items, later.items]),
            np.concatenate([self.weights, later.weights]),
            np.concatenate([self.kinds, later.kinds]),
        )

    def query(self, bundle: ServedBundle) -> F32 | None:
        """(dim,) float32; None where nothing is known."""
        query = self.vector
        if query is None and len(self.items):
            query = bundle.encode(self.items, self.weights)
        return query if query is not None and query.any() else None

    def causes(self, bundle: ServedBundle, item_nos: I32) -> list[Cause]:
        """For each item, the piece of evidence that adds most to its score."""
        if not len(self.items):
            return [Cause(Reason.POPULAR)] * len(item_nos)
        latest = self.items[-MAX_CAUSES:]
        added = bundle.influence(item_nos, latest) * self.weights[-MAX_CAUSES:]
        strongest: npt.NDArray[np.intp] = added.argmax(axis=1)
        kinds = self.kinds[-MAX_CAUSES:][strongest].tolist()
        named = latest[strongest].tolist()
        return [Cause(_REASON_BY_CODE[kind], item_no) for kind, item_no in zip(kinds, named, strict=True)]
