"""A generated shop of any size, as files to upload.

Every person buys from three categories, mostly from the first of them. Within a category a few items have most of the
sales. An order has three lines on average, each of one of the categories. Every person buys at least once.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from common.schemas.data import DAY_S, I64
from infra.sizing.sizes import Size

FILES: Final = 10
"""Number of uploads of equal length that make up the year."""
LATER_EVENTS: Final = 1_000
ITEM_COLUMNS: Final = ("item_id", "category", "brand", "price", "img_url", "title", "url", "currency")
_YEAR_S: Final = 365 * DAY_S
_LATER_S: Final = 3600
_ITEMS_OF_A_CATEGORY: Final = 500
_FAVOURITES: Final = 3
_LINES: Final = 3
_SKEW: Final = 3
"""Exponent of a uniform number: the first tenth of a category has 46 % of its sales, the first of 500 items 13 %."""

_EVENTS: Final = """
COPY (
    SELECT 'customer-' || person AS user_id, 'sku-' || item AS item_id, make_timestamp(ts * 1000000) AS ts,
           qty::INTEGER AS qty, 'order-' || orders AS order_id, price
    FROM lines ORDER BY ts
) TO '{path}' (FORMAT parquet)
"""


@dataclass(frozen=True)
class Uploads:
    """The files to upload. `later` has `LATER_EVENTS` purchases after all others."""

    items: Path
    events: tuple[Path, ...]
    later: Path


def person(number: int) -> str:
    """The user id of person `number`, from 0."""
    return f"customer-{number}"


def write_shop(directory: Path, size: Size, now_s: int, seed: int = 1) -> Uploads:
    """Writes the files. The year ends two hours before `now_s` (epoch seconds)."""
    directory.mkdir(parents=True)
    purchases = _Purchases(size, np.random.default_rng(seed))
    end_s = now_s - 2 * _LATER_S
    step_s = _YEAR_S // FILES
    parts = np.array_split(purchases.rng.permutation(size.people), FILES)
    counts = np.diff(np.linspace(0, size.events, FILES + 1).astype(int))
    files = []
    for number, (buyers, count) in enumerate(zip(parts, counts.tolist(), strict=True)):
        start_s = end_s - (FILES - number) * step_s
        files.append(purchases.write(directory / f"events-{number}.parquet", count, buyers, start_s, step_s))
    later = purchases.write(directory / "later.parquet", LATER_EVENTS, parts[0][:0], now_s - _LATER_S, _LATER_S // 2)
    return Uploads(_write_items(directory / "items.csv", size), tuple(files), later)


class _Purchases:
    def __init__(self, size: Size, rng: np.random.Generator) -> None:
        self.rng = rng
        self._size = size
        self._categories = -(-size.items // _ITEMS_OF_A_CATEGORY)
        self._favourites = rng.integers(self._categories, size=(size.people, _FAVOURITES))
        # The cumulated frequency of purchases: a tenth of the people make about 40 % of the purchases.
        self._activity = np.cumsum(rng.lognormal(0, 1, size.people))
        self._orders = 0

    def write(self, path: Path, count: int, buyers: I64, start_s: int, length_s: int) -> Path:
        """Writes `count` lines between `start_s` and `start_s` + `length_s`, at least one of each of `buyers`."""
        orders = max(count // _LINES, len(buyers))
        drawn = self.rng.random(orders - len(buyers)) * self._activity[-1]
        people = self.rng.permutation(np.concatenate([buyers, np.searchsorted(self._activity, drawn)]))
        ts = np.sort(self.rng.integers(start_s, start_s + length_s, orders))
        of_line = np.sort(np.concatenate([np.arange(orders), self.rng.integers(orders, size=count - orders)]))
        lines = {
            "person": people[of_line],
            "item": self._items(people[of_line]),
            "ts": ts[of_line],
            "qty": self.rng.integers(1, 4, count),
            "orders": of_line + self._orders,
            "price": np.round(self.rng.random(count) * 100 + 0.5, 2),
        }
        self._orders += orders
        with duckdb.connect() as connection:
            connection.register("lines", lines)
            connection.execute(_EVENTS.format(path=path))
        return path

    def _items(self, people: I64) -> I64:
        """(n,) int64: an item for each line, from one of the person's categories."""
        which = (_FAVOURITES * self.rng.random(len(people)) ** 2).astype(np.int64)
        start = self._favourites[people, which] * _ITEMS_OF_A_CATEGORY
        width = np.minimum(self._size.items - start, _ITEMS_OF_A_CATEGORY)
        return start + (width * self.rng.random(len(people)) ** _SKEW).astype(np.int64)


def _write_items(path: Path, size: Size) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(ITEM_COLUMNS)
        writer.writerows(_item_rows(size.items))
    return path


def _item_rows(items: int) -> Iterator[tuple[str, ...]]:
    for number in range(items):
        yield (
            f"sku-{number}", f"Category {number // _ITEMS_OF_A_CATEGORY}", f"Brand {number % 97}",
            f"{0.5 + number % 9973 / 100:.2f}", f"https://shop.example.eu/images/{number}.jpg",
            f"Product number {number} of the shop", f"https://shop.example.eu/products/{number}", "EUR",
        )  # fmt: skip
