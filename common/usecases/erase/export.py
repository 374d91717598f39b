"""The export of one person's data: their events in the store, and their row in the served bundle."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from common.ids import UserKey
from common.schemas.data import EVENT_TYPES, I64, EventType, Interactions
from common.schemas.documents import StoreDocument
from common.serving.bundle import ServedBundle
from common.serving.people import Person
from common.serving.precomputed import precomputed_items
from common.store.segments.reader import open_store
from common.usecases.erase.erase import keys_of
from common.usecases.publish.open_served import open_or_newer
from common.usecases.shared.context import Context
from common.usecases.shared.tombstones import read_tombstones, reading_store
from common.usecases.shared.workspace import workspace


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ExportedEvent(_Part):
    """One event. Events with the same number in `order` or `session` belong together.

    The shop's own ids of orders and sessions are not stored, only keyed hashes of them."""

    at: datetime
    item_id: str
    event_type: EventType
    qty: float
    price: float | None
    order: int | None
    session: int | None


class ExportedItem(_Part):
    """An item of the person's history with the weight that the model gives it.

    Of what was bought: `bought_again` is the logarithm of how surely it is bought again, `usual_gap_days` how many days
    are expected between two purchases, and `last_bought` the day of the last; None where they are not stored."""

    item_id: str
    weight: float
    purchased: bool
    repeats: float
    in_last_order: bool
    bought_again: float | None = None
    usual_gap_days: float | None = None
    last_bought: date | None = None


class ExportedProfile(_Part):
    """The person's row in the served bundle.

    `items` is the history, oldest first. `vector` is None if the model keeps none. `ranked` are the item ids of the
    precomputed answer, best first."""

    bundle_id: str
    model: str
    items: tuple[ExportedItem, ...]
    vector: tuple[float, ...] | None
    ranked: tuple[str, ...] = ()


class PersonExport(_Part):
    """All data of one person. `served` is None if the bundle has no row of them.

    `erased_until` is the time up to which the events of an erased person stay out, None for others."""

    format_version: Literal[1] = 1
    exported_at: datetime
    events: tuple[ExportedEvent, ...]
    served: ExportedProfile | None
    erased_until: datetime | None


def export_person(ctx: Context, user_id: str) -> PersonExport:
    """Returns the data of the person with this user id. The export of an unknown person is empty."""
    keys = ctx.shop.pseudonymizer.user_keys(user_id)
    events, erased_until = reading_store(ctx, lambda document: _stored(ctx, document, keys))
    return PersonExport(exported_at=ctx.now(), events=events, served=_served(ctx, keys), erased_until=erased_until)


def _stored(
    ctx: Context, document: StoreDocument | None, user_keys: Sequence[UserKey]
) -> tuple[tuple[ExportedEvent, ...], datetime | None]:
    keys = keys_of(user_keys)
    marks = read_tombstones(ctx, document)
    until = [tombstone.until for key in keys if (tombstone := marks.of(key))]
    with workspace(ctx) as work, open_store(document, ctx.path_of, work) as reader:
        events = _events(reader.interactions(user_keys=keys))
    return events, max(until, default=None)


def _events(data: Interactions) -> tuple[ExportedEvent, ...]:
    orders, sessions = _numbered(data.orders), _numbered(data.sessions)
    return tuple(
        ExportedEvent(
            at=datetime.fromtimestamp(int(data.ts[row]), UTC),
            item_id=data.item_ids[data.items[row]],
            event_type=EVENT_TYPES[data.event_types[row]],
            qty=float(data.qty[row]),
            price=None if math.isnan(data.prices[row]) else float(data.prices[row]),
            order=orders[row],
            session=sessions[row],
        )
        for row in range(len(data))
    )


def _numbered(codes: I64) -> list[int | None]:
    """1, 2, … in the order in which codes first occur; None for -1."""
    numbers: dict[int, int] = {}
    return [None if code < 0 else numbers.setdefault(code, len(numbers) + 1) for code in codes.tolist()]


def _served(ctx: Context, keys: Sequence[UserKey]) -> ExportedProfile | None:
    document = ctx.serving_file.read().document
    if document is None:
        return None
    return _profile(open_or_newer(ctx, document.bundle), keys)


def _profile(bundle: ServedBundle, keys: Sequence[UserKey]) -> ExportedProfile | None:
    """The row of the first of these pseudonyms that the bundle knows."""
    person = next((found for key in keys if (found := bundle.find_person(key))), None)
    if person is None:
        return None
    return ExportedProfile(
        bundle_id=bundle.document.bundle_id,
        model=bundle.document.model.family,
        items=tuple(_items(bundle, person)),
        vector=None if person.vector is None else tuple(np.asarray(person.vector).tolist()),
        ranked=tuple(_item_id(bundle, no) for no in precomputed_items(person)),
    )


def _items(bundle: ServedBundle, person: Person) -> Iterator[ExportedItem]:
    due = person.due.columns() if person.due else None
    for at, no in enumerate(person.items.tolist()):
        item = ExportedItem(
            item_id=_item_id(bundle, no),
            weight=float(person.weights[at]),
            purchased=bool(person.purchased[at]),
            repeats=float(person.repeats[at]),
            in_last_order=bool(person.latest[at]),
        )
        if due is not None and item.purchased and due.last_days[at]:
            last_bought = date(1970, 1, 1) + timedelta(days=int(due.last_days[at]))
            known = {"bought_again": float(due.again[at]), "usual_gap_days": float(due.gaps[at])}
            item = item.model_copy(update={**known, "last_bought": last_bought})
        yield item


def _item_id(bundle: ServedBundle, item_no: int) -> str:
    return str(json.loads(bundle.items.card(item_no))["item_id"])
