"""Events, items and layers as numpy columns, as the store, the models and the served bundle exchange them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from common.schemas.links import ItemLinks

F16 = npt.NDArray[np.float16]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]
U64 = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


class EventType(StrEnum):
    PURCHASE = "purchase"
    VIEW = "view"
    CART = "cart"
    RETURN = "return"


EVENT_TYPES: Final = tuple(EventType)
"""All event types. The position of a type is its code in `Interactions.event_types` and in the store."""

NO_USER: Final = -1
DAY_S: Final = 86_400


_COLUMNS: Final = ("users", "items", "ts", "qty", "event_types", "orders", "sessions", "prices")


@dataclass(frozen=True)
class Interactions:
    """Events as columns, oldest first, with people and items as codes.

    user_keys (n_users, 2) uint64: (key_hi, key_lo), sorted; item_ids: n_items strings, sorted.
    The other arrays are (n_events,): `users` is a row of user_keys, or NO_USER without consent; `items` is a row of
    item_ids; `ts` is in epoch seconds; `qty` is at least 1; `event_types` is a position in EVENT_TYPES; `orders` and
    `sessions` are codes, equal for events of one order or session, and -1 where none was given; `prices` are NaN where
    none was given.
    """

    user_keys: U64
    item_ids: tuple[str, ...]
    users: I32
    items: I32
    ts: I64
    qty: F32
    event_types: I8
    orders: I64
    sessions: I64
    prices: F32

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def n_users(self) -> int:
        return len(self.user_keys)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    def pieces(self) -> F32:
        """(n_events,) float32: the quantity of a purchase, its negative for a return, 0 for other events."""
        signs = {EventType.PURCHASE: 1, EventType.RETURN: -1}
        by_type = np.array([signs.get(kind, 0) for kind in EVENT_TYPES], dtype=np.float32)
        return (self.qty * by_type[self.event_types]).astype(np.float32)

    def where(self, mask: Bools) -> Interactions:
        """The events that `mask` (n_events,) bool selects. People and items keep their codes."""
        chosen = {name: getattr(self, name)[mask] for name in _COLUMNS}
        return Interactions(user_keys=self.user_keys, item_ids=self.item_ids, **chosen)

    def plus(self, other: Interactions) -> Interactions:
        """The events of both, this one's first and so not in the order of time; `other` has the same codes."""
        both = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _COLUMNS}
        return Interactions(user_keys=self.user_keys, item_ids=self.item_ids, **both)


REGULAR_PRICE: Final = "regular_price"
"""The name in `Catalogue.extra` of what an item costs where it is not on sale, as the text of a number."""


@dataclass(frozen=True)
class Catalogue:
    """The items as columns, one row for each item, sorted by id.

    An empty field is an empty string or NaN. `created_at` and `as_of` (n_items,) int64 are in epoch seconds; `as_of` is
    the time of the upload that the row comes from. `extra` holds the upload's other columns by name.
    """

    item_ids: tuple[str, ...]
    categories: tuple[str, ...]
    brands: tuple[str, ...]
    prices: F64
    img_urls: tuple[str, ...]
    titles: tuple[str, ...]
    urls: tuple[str, ...]
    currencies: tuple[str, ...]
    available: Bools
    created_at: I64
    as_of: I64
    extra: tuple[dict[str, str], ...]

    def __len__(self) -> int:
        return len(self.item_ids)


class Quantity(StrEnum):
    """The part of an event's weight that its quantity gives: 1, 1 + ln(qty), or min(qty, 5)."""

    ONE = "one"
    LOG = "log"
    CAPPED = "capped"


QUANTITY_CAP: Final = 5.0

TRENDING: Final = "trending_"
"""Prefix of an encoder's name whose item vectors have the trend as one more column; a query has its length there."""


class Weighting(BaseModel):
    """The weight of an event for a person's taste. Training and fold-in use the same weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: float = Field(0.2, ge=0)
    cart: float = Field(0.5, ge=0)
    purchase: float = Field(1.0, gt=0)
    returned: float = Field(-1.0, le=0, description="A return or cancellation reduces what the purchase said.")
    half_life_days: float | None = Field(None, gt=0)
    quantity: Quantity = Quantity.ONE

    def event_weights(self) -> F32:
        """(4,) float32: the weight of each event type, in the order of EVENT_TYPES."""
        return np.array([self.purchase, self.view, self.cart, self.returned], dtype=np.float32)

    def weigh(self, data: Interactions, now_s: int) -> F32:
        """(n_events,) float32: event-type weight × quantity transform × recency at `now_s` (epoch seconds)."""
        weights = self.event_weights()[data.event_types]
        if self.quantity is Quantity.LOG:
            weights = weights * (1 + np.log(data.qty))
        elif self.quantity is Quantity.CAPPED:
            weights = weights * np.minimum(data.qty, QUANTITY_CAP)
        if self.half_life_days is not None:
            half_lives = np.maximum(now_s - data.ts, 0) / (self.half_life_days * DAY_S)
            weights = weights * np.exp2(-half_lives.astype(np.float32))
        return weights.astype(np.float32)


def repeated(half_life_days: float | None) -> Weighting:
    """The weighting that counts a person's purchases of an item, less returns, recent ones more.

    The boost of purchased items uses it, whatever weighting the model has learned with."""
    return Weighting(view=0, cart=0, half_life_days=half_life_days)


class DueColumns(NamedTuple):
    """When items were bought and are expected to be bought again, as `common.schemas.due` takes it.

    again: (m,) float16, natural logarithms of how surely items are bought again, whenever
    last_days: (m,) uint16, days of the last purchases since 1970, 0 where they are not known
    gaps: (m,) float16 ≥ 1, days that usually pass between two purchases
    """

    again: F16
    last_days: U16
    gaps: F16

    @classmethod
    def unknown(cls, repeats: F32) -> DueColumns:
        """Where only the number of purchases is known."""
        logs = np.log(np.maximum(repeats, np.finfo(np.float32).tiny))
        n = len(repeats)
        return cls(logs.astype(np.float16), np.zeros(n, np.uint16), np.ones(n, np.float16))

    def placed(self, places: I64, n: int) -> DueColumns:
        """Columns of length `n` with entry i at places[i], and nothing known at the others."""
        columns = DueColumns(np.zeros(n, np.float16), np.zeros(n, np.uint16), np.ones(n, np.float16))
        for column, values in zip(columns, self, strict=True):
            column[places] = values
        return columns

    def at(self, entries: slice | I64) -> DueColumns:
        """The columns of some entries."""
        return DueColumns(self.again[entries], self.last_days[entries], self.gaps[entries])


@dataclass(frozen=True)
class UserRows:
    """The people of a layer, sorted by key, with their vectors and histories.

    The history of row i is [offsets[i], offsets[i + 1]) of the arrays behind `offsets`: each item once, in the order of
    the person's last event with it, oldest first.

    keys (n, 2) uint64; vectors (n, dim) float32; offsets (n + 1,) int64; items (h,) int32 item numbers; weights (h,)
    float32, the sums of `Weighting.weigh`; purchased (h,) bool; repeats (h,) float32, the sums of `repeated`'s weights;
    latest (h,) bool, the items of the person's last order; due, of which what was not bought says nothing.
    """

    keys: U64
    vectors: F32
    offsets: I64
    items: I32
    weights: F32
    purchased: Bools
    repeats: F32
    latest: Bools
    due: DueColumns


@dataclass(frozen=True)
class ItemLists:
    """Ranked lists of items, each belonging to one item. All items are given as item numbers.

    The list of nos[i] is [offsets[i], offsets[i + 1]) of `items`, best first: nos (m,) int32, ascending; offsets
    (m + 1,) int64; items (k,) int32.
    """

    nos: I32
    offsets: I64
    items: I32

    def span(self, item_no: int) -> slice | None:
        """The slice of `items` that is the item's list; None if the item has no list here."""
        at = int(np.searchsorted(self.nos, item_no))
        if at == len(self.nos) or self.nos[at] != item_no:
            return None
        return slice(int(self.offsets[at]), int(self.offsets[at + 1]))


@dataclass(frozen=True)
class LayerContent:
    """The content of one layer of a bundle. A base holds everything; a delta holds what changed since earlier layers.

    Items are numbered once for the whole bundle. A base defines the numbers 0…n-1. A delta redefines earlier numbers (a
    new price, a withdrawal, a new vector) or continues after the highest. `item_nos` (n,) int32, ascending, are the
    numbers that this layer defines. All item columns are aligned with it, such as `item_vectors` (n, dim) float32, in
    which the bias column is included. `cards` are UTF-8 JSON objects. `similar` (n, k) int32 lists the nearest items by
    cosine, padded with -1. `bought_together` lists the items that share orders with an item; for each item the newest
    layer with a list of it counts.

    `popular`, `newest`, `on_sale` and `few_know` (k,) int32 rank item numbers, best first; `popular_by_category` ranks
    within each category. In a delta they replace those of earlier layers; None keeps those. `on_sale` are all items
    with a price below their regular one, available or not; `few_know` are new items that few people have bought.
    `links` are the rows of links by the place that they answer, a value of `Place`; for each item the newest layer with
    a row of it counts. `encoder` holds arrays of the artifact, in a base only.
    """

    item_nos: I32
    item_vectors: F32
    cards: tuple[bytes, ...]
    catalogue: Catalogue
    users: UserRows
    similar: I32
    popular: I32 | None = None
    newest: I32 | None = None
    on_sale: I32 | None = None
    few_know: I32 | None = None
    popular_by_category: dict[str, I32] | None = None
    bought_together: ItemLists | None = None
    links: dict[str, ItemLinks] = field(default_factory=dict)
    encoder: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)
