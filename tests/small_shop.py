"""A shop small enough to train on in seconds: people who buy from one aisle, and sometimes from the next."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from infra.demo.shop import addresses

AISLES = ("tea", "bread", "cheese", "soap")
ITEMS_PER_AISLE = 25
PEOPLE = 200
BASKETS = 8
ITEMS_PER_BASKET = 4
DAYS = 140
HOME_SHARE = 0.85
SEED = 20261123

Row = Sequence[object]


def item_id(aisle: str, number: int) -> str:
    return f"{aisle}-{number}"


def person_id(number: int) -> str:
    return f"person {number}"


def aisle_of(person: int) -> str:
    return AISLES[person % len(AISLES)]


def write_items(path: Path, extra: Iterable[Row] = (), shop_url: str | None = None) -> Path:
    """With `shop_url`, items have a picture and a page of the storefront there."""
    rows = [
        (id_ := item_id(aisle, number), aisle, f"{aisle} maker {number % 3}", 1 + number / 10, f"{aisle} no. {number}")
        + (addresses(shop_url, id_) if shop_url else ("", ""))
        for aisle in AISLES
        for number in range(ITEMS_PER_AISLE)
    ]
    return _write(path, ("item_id", "category", "brand", "price", "title", "img_url", "url"), [*rows, *extra])


def write_events(path: Path) -> Path:
    """Each basket within one minute; the first items of an aisle sell better than the last."""
    random = np.random.default_rng(SEED)
    start = datetime.now(UTC) - timedelta(days=DAYS)
    popularity = 1 / np.arange(1, ITEMS_PER_AISLE + 1)
    rows: list[Row] = []
    for person in range(PEOPLE):
        for day in np.sort(random.choice(DAYS - 1, BASKETS, replace=False)):
            moment = start + timedelta(days=int(day), minutes=int(random.integers(600)))
            for _ in range(ITEMS_PER_BASKET):
                home = random.random() < HOME_SHARE
                aisle = aisle_of(person) if home else str(random.choice(AISLES))
                number = int(random.choice(ITEMS_PER_AISLE, p=popularity / popularity.sum()))
                rows.append((person_id(person), item_id(aisle, number), moment.isoformat(), int(random.integers(1, 4))))
    return write_lines(path, rows)


def write_lines(path: Path, rows: Iterable[Row]) -> Path:
    return _write(path, ("user_id", "item_id", "ts", "qty"), rows)


def _write(path: Path, header: Row, rows: Iterable[Row]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path
