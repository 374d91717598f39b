"""The checkout: the purchases of a paid basket are uploaded to the bucket."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.schemas.kind import Kind
from common.usecases.ingest.upload import UploadKind, upload
from common.usecases.shared.context import Context
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import Item

CARDS = 12
"""Cards of a carousel."""

COLUMNS = ("user_id", "item_id", "ts", "qty", "order_id", "price", "event_type", "consent")


@dataclass(frozen=True)
class Order:
    """An order. `bundle_id` is the bundle that was served before the upload; a later one has the purchases. `shown` are
    the items of the person's own list before it."""

    number: str
    item_ids: tuple[str, ...]
    is_personal: bool
    bundle_id: str
    shown: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The order as JSON values, for a cookie."""
        return asdict(self)


class Checkout:
    """The upload of purchases. Bucket events then call the functions."""

    def __init__(self, ctx: Context, client: RecommendClient) -> None:
        self._ctx = ctx
        self._client = client

    def buy(self, items: Sequence[Item], user_id: str | None, *, consent: bool) -> Order:
        """Uploads the purchases and returns the order.

        Purchases of a guest, or without consent, count for popularity only and change no personal recommendations."""
        order = Order(
            number=secrets.token_hex(4),
            item_ids=tuple(item.item_id for item in items),
            is_personal=user_id is not None and consent,
            bundle_id=self._client.bundle_id(),
            shown=self._shown(user_id) if user_id is not None and consent else (),
        )
        with TemporaryDirectory(prefix="order-") as directory:
            path = Path(directory) / f"order-{order.number}.csv"
            _write(path, order, items, user_id or f"guest-{order.number}", self._ctx.now())
            upload(self._ctx, path, UploadKind.EVENTS)
        return order

    def _shown(self, user_id: str) -> tuple[str, ...]:
        return tuple(item.item_id for item in self._client.of_kind(Kind.FOR_YOU, user_id, CARDS))


def _write(path: Path, order: Order, items: Sequence[Item], user_id: str, now: datetime) -> None:
    consent = str(order.is_personal).lower()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for item in items:
            line = (user_id, item.item_id, now.isoformat(), 1, order.number, item.price, "purchase", consent)
            writer.writerow(line)
