"""Co-purchases: pairs of items in one order, counted by DuckDB.

The lines with one order key are an order. Without order keys, purchases of one person at most 30 minutes apart are an
order. A pair counts once per order, whatever the quantities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import EVENT_TYPES, F64, I32, I64, EventType
from common.schemas.pairs import MOST_OF_ONE, PairRule
from common.store.engine import Connection, number
from common.store.orders import ORDER_GAP
from common.store.segments.segment import Part

MAX_LINES: Final = 64
"""Largest number of items per order that make pairs. Of a larger order a sample is used: 400 items would make 79,800
pairs, which say little about what goes together. One in 10,000 of a grocer's orders is larger."""
CANDIDATES: Final = 64
"""Number of pairs kept per item, the best by `shrunk_lift`: twice the length of a list, which may rank them anew."""
SHRINKAGE: Final = 10.0
PAIRS_PER_PASS: Final = 4_000_000
"""Number of pairs that are counted in one pass: about 200 MB in DuckDB."""
MAX_PAIRS: Final = 32_000_000
"""Largest number of pairs that are counted. If there are more, only a sample of the orders is used."""

_PURCHASE: Final = EVENT_TYPES.index(EventType.PURCHASE)


@dataclass(frozen=True)
class CoPurchases:
    """The counts of items and of pairs of items in `n_orders` orders.

    item_ids: n_items strings, sorted; orders (n_items,) int64: the number of orders with each item.
    first, second (n_pairs,) int32: the rows in item_ids of a pair, first < second; together (n_pairs,) int64: the
    number of orders with both; people (n_pairs,) int64: the number of distinct people with such an order, as `PairRule`
    counts them. Of one person `MOST_OF_ONE` orders count at most, for a pair and for an item. With a sample of the
    orders, `together` is extrapolated to all orders, and `people` are those in the sample.
    """

    item_ids: tuple[str, ...]
    orders: I64
    n_orders: int
    first: I32
    second: I32
    together: I64
    people: I64


def shrunk_lift(together: I64 | F64, of_first: I64, of_second: I64, n_orders: int) -> F64:
    """(n_pairs,) float64: the orders with both items, divided by the number expected by chance plus `SHRINKAGE`.

    The shrinkage keeps a few orders of rare items from a high lift."""
    expected = of_first / max(n_orders, 1) * of_second
    lift: F64 = together / (expected + SHRINKAGE)
    return lift


def read(connection: Connection, parts: Sequence[Part], since_seq: int, rule: PairRule) -> CoPurchases:
    """Implements `Reader.co_purchases`."""
    parts = [part for part in parts if part.segment.seq > since_seq]
    if not parts:
        no_counts, no_rows = np.empty(0, np.int64), np.empty(0, np.int32)
        return CoPurchases((), no_counts, 0, no_rows, no_rows, no_counts, no_counts)
    _collect(connection, parts, since_seq, rule.guests)
    _measure_orders(connection)
    n_orders = number(connection, "SELECT count(*) FROM sizes")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE sums AS {_ITEM_ORDERS}")
    counted = connection.execute(_COUNTED).fetchnumpy()
    _count_pairs(connection, rule.people)
    pairs = connection.execute(_BEST, {"n_orders": max(n_orders, 1), "candidates": CANDIDATES}).fetchnumpy()
    return CoPurchases(
        item_ids=tuple(counted["item_id"].tolist()),
        orders=counted["orders"],
        n_orders=n_orders,
        first=pairs["first"],
        second=pairs["second"],
        together=pairs["together"],
        people=pairs["people"],
    )


def _collect(connection: Connection, parts: Sequence[Part], since_seq: int, guests: bool) -> None:
    """Makes the tables `goods` (item_id, item), numbered in the order of the ids, and `lines` (purchase, person, item).

    `lines` has each item of an order once. A person is half a pseudonym here, which is distinct enough for counts;
    an order without a person has its own number in that place if `guests` count."""
    named = " UNION ".join(
        f"SELECT DISTINCT item_id FROM {part.alias}.events JOIN {part.alias}.item_ids USING (item_no) "
        f"WHERE {_sold(part, since_seq)}"
        for part in parts
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE goods AS "
        f"SELECT item_id, (row_number() OVER (ORDER BY item_id) - 1)::INTEGER AS item FROM ({named})"
    )
    bought = " UNION ALL ".join(
        f"SELECT coalesce(key_hi, {_NOBODY}) AS person, item, order_key, ts FROM {part.alias}.events "
        f"LEFT JOIN {part.people} USING (user_no) JOIN {part.alias}.item_ids USING (item_no) "
        f"JOIN goods USING (item_id) WHERE {_sold(part, since_seq)}"
        for part in parts
    )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW bought AS {bought}")
    with_key = _WITH_KEY.format(unit=_GUEST_OR_PERSON if guests else "person")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE lines AS {with_key} UNION ALL {_WITHOUT_KEY}")


def _sold(part: Part, since_seq: int) -> str:
    return f"event_type = {_PURCHASE} AND {part.seq} > {since_seq}"


def _measure_orders(connection: Connection) -> None:
    """Makes the table `sizes` (purchase, n) and shortens large orders in `lines` to `MAX_LINES`."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE sizes AS SELECT purchase, count(*)::INTEGER AS n FROM lines GROUP BY purchase"
    )
    large = f"SELECT purchase FROM sizes WHERE n > {MAX_LINES}"
    if number(connection, f"SELECT count(*) FROM ({large})"):
        connection.execute(
            f"DELETE FROM lines WHERE rowid IN (SELECT rowid FROM lines WHERE purchase IN ({large}) "
            f"QUALIFY row_number() OVER (PARTITION BY purchase ORDER BY hash(item, purchase)) > {MAX_LINES})"
        )


def _count_pairs(connection: Connection, min_people: int) -> None:
    """Makes the table `pairs` of at least `min_people`, from items that so many people have bought with others."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE shared AS SELECT * FROM lines "
        "WHERE purchase IN (SELECT purchase FROM sizes WHERE n > 1)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE sold AS SELECT * FROM shared WHERE item IN "
        "(SELECT item FROM shared GROUP BY item HAVING count(DISTINCT person) >= ?)",
        [min_people],
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE pairs (first INTEGER, second INTEGER, together BIGINT, people BIGINT)"
    )
    sizes = "SELECT count(*) AS n FROM sold GROUP BY purchase"
    n_pairs = number(connection, f"SELECT coalesce(sum(n * (n - 1) // 2), 0)::BIGINT FROM ({sizes})")
    one_in = 1 + n_pairs // MAX_PAIRS
    if one_in > 1:
        connection.execute(f"DELETE FROM sold WHERE purchase % {one_in} <> 0")
    passes = 1 + n_pairs // one_in // PAIRS_PER_PASS
    for turn in range(passes):
        connection.execute(_PAIRS, {"passes": passes, "turn": turn, "min_people": min_people, "one_in": one_in})


_NOBODY: Final = "0::UBIGINT"
_GUEST_OR_PERSON: Final = f"CASE WHEN person = {_NOBODY} THEN purchase ELSE person END"
_WITH_KEY: Final = (
    "SELECT purchase, {unit} AS person, item FROM (SELECT DISTINCT hash(person, order_key) AS purchase, person, item "
    "FROM bought WHERE order_key IS NOT NULL)"
)
_STARTS: Final = (
    f"SELECT person, item, ts, coalesce(ts - lag(ts) OVER person > {ORDER_GAP}, true)::INT AS starts FROM bought "
    f"WHERE order_key IS NULL AND person <> {_NOBODY} WINDOW person AS (PARTITION BY person ORDER BY ts)"
)
_WITHOUT_KEY: Final = (
    "SELECT DISTINCT hash(person, visit) AS purchase, person, item FROM (SELECT person, item, sum(starts) "
    f"OVER (PARTITION BY person ORDER BY ts RANGE UNBOUNDED PRECEDING) AS visit FROM ({_STARTS}))"
)
# What counts of n orders of one person. Where all guests are one, they are no person.
_BOUNDED: Final = f"CASE WHEN person = {_NOBODY} THEN n ELSE least(n, {MOST_OF_ONE}) END"
_ITEM_ORDERS: Final = f"""
SELECT item, sum({_BOUNDED})::BIGINT AS orders FROM (SELECT item, person, count(*) AS n FROM lines GROUP BY ALL)
GROUP BY item
"""
_COUNTED: Final = "SELECT item_id, coalesce(orders, 0) AS orders FROM goods LEFT JOIN sums USING (item) ORDER BY item"
_PAIRS: Final = f"""
INSERT INTO pairs
SELECT first, second, sum({_BOUNDED}) * $one_in, count(*) FROM (
    SELECT one.item AS first, other.item AS second, one.person, count(*) AS n
    FROM sold AS one JOIN sold AS other USING (purchase)
    WHERE one.item < other.item AND hash(one.item) % $passes = $turn
    GROUP BY ALL
) GROUP BY ALL HAVING count(*) >= $min_people
"""
# The lift is that of `shrunk_lift`.
_BEST: Final = f"""
WITH orders AS (
    SELECT item, orders AS n FROM sums
), scored AS (
    SELECT pairs.rowid AS pair, first, second, together / (one.n * other.n / $n_orders + {SHRINKAGE}) AS lift
    FROM pairs JOIN orders AS one ON first = one.item JOIN orders AS other ON second = other.item
), best AS (
    SELECT pair FROM (SELECT first AS item, pair, lift FROM scored UNION ALL SELECT second, pair, lift FROM scored)
    QUALIFY row_number() OVER (PARTITION BY item ORDER BY lift DESC, pair) <= $candidates
)
SELECT first, second, together, people FROM pairs WHERE rowid IN (SELECT pair FROM best) ORDER BY first, second
"""
