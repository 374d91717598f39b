"""What the shop does with a paid basket: it uploads the purchases, as an admin with any S3 client would."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.usecases.ingest.upload import UploadKind, upload
from common.usecases.shared.context import Context
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import Item

COLUMNS = ("user_id", "item_id", "ts", "qty", "order_id", "price", "event_type", "consent")


@dataclass(frozen=True)
class Order:
    """`bundle_id` is what recommend served before the upload; the purchases are in what it serves later."""

    number: str
    item_ids: tuple[str, ...]
    is_personal: bool
    bundle_id: str

    def document(self) -> dict[str, Any]:
        """For a cookie."""
        return asdict(self)


class Checkout:
    """Bucket events do the rest: nobody calls a function."""

    def __init__(self, ctx: Context, client: RecommendClient) -> None:
        self._ctx = ctx
        self._client = client

    def buy(self, items: Sequence[Item], user_id: str | None, *, consent: bool) -> Order:
        """Without consent, or of a guest, the purchases count for what is popular and for nobody's own list."""
        order = Order(
            number=secrets.token_hex(4),
            item_ids=tuple(item.item_id for item in items),
            is_personal=user_id is not None and consent,
            bundle_id=self._client.bundle_id(),
        )
        with TemporaryDirectory(prefix="order-") as directory:
            path = Path(directory) / f"order-{order.number}.csv"
            _write(path, order, items, user_id or f"guest-{order.number}", self._ctx.now())
            upload(self._ctx, path, UploadKind.EVENTS)
        return order


def _write(path: Path, order: Order, items: Sequence[Item], user_id: str, now: datetime) -> None:
    consent = str(order.is_personal).lower()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for item in items:
            line = (user_id, item.item_id, now.isoformat(), 1, order.number, item.price, "purchase", consent)
            writer.writerow(line)
