"""Customer ids that stand for many people: the 0 or "guest" that a shop writes where nobody has signed in, a till, a
script. Each carries a share of all orders that no person has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.schemas.data import EVENT_TYPES, EventType
from common.store.engine import Connection
from common.store.orders import ORDER_GAP
from common.store.segments.segment import Part

LEAST_ORDERS: Final = 20
"""With fewer orders an id is no crowd, whatever its share: in a shop's first days one person may have half of all."""

_PURCHASE: Final = EVENT_TYPES.index(EventType.PURCHASE)


@dataclass(frozen=True)
class Crowd:
    """A customer id with more than a share of all orders. key: (key_hi, key_lo)"""

    key: tuple[int, int]
    orders: int
    share: float


def read(connection: Connection, parts: Sequence[Part], share: float) -> tuple[Crowd, ...]:
    """Implements `Reader.crowds`."""
    if not parts:
        return ()
    ordered = " UNION ALL ".join(
        f"SELECT key_hi, key_lo, {_ORDER} AS purchase FROM {part.alias}.events "
        f"LEFT JOIN {part.alias}.users USING (user_no) WHERE event_type = {_PURCHASE}"
        for part in parts
    )
    rows = connection.execute(_CROWDS.format(ordered=ordered), {"least": LEAST_ORDERS, "share": share}).fetchall()
    return tuple(Crowd((key_hi, key_lo), orders, of_all) for key_hi, key_lo, orders, of_all in rows)


# Without an order's key, what a person buys within one half hour of the clock is near enough to an order.
_ORDER: Final = f"coalesce(order_key, hash(time_bucket({ORDER_GAP}, ts)))"
_CROWDS: Final = """
WITH people AS (
    SELECT key_hi, key_lo, count(DISTINCT purchase) AS orders FROM ({ordered}) GROUP BY key_hi, key_lo
), shares AS (
    SELECT *, orders / sum(orders) OVER () AS of_all FROM people
)
SELECT key_hi, key_lo, orders, of_all FROM shares
WHERE key_hi IS NOT NULL AND orders >= $least AND of_all > $share ORDER BY orders DESC, key_hi, key_lo
"""
