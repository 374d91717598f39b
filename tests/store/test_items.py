"""Uploads of items: columns, what replaces what, and what is refused or left empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from common.bucket.port import ObjectInfo
from common.schemas.documents import RunState
from common.testing.faults import FaultyBucket
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.shared.context import Context
from tests.store.shop import csv_of, events_csv, ingest, parquet_of, reading, report_of, stored

HEADER = "item_id,category,brand,price,img_url"


def item(shop: Context, item_id: str) -> dict[str, Any]:
    catalogue = stored(shop).catalogue
    row = catalogue.item_ids.index(item_id)
    names = ("categories", "brands", "prices", "img_urls", "titles", "urls", "currencies", "available", "extra")
    return {name: getattr(catalogue, name)[row] for name in names}


def test_every_column_is_kept(shop: Context) -> None:
    header = f"{HEADER},title,url,currency,available,created_at,Colour, Size "
    run = ingest(
        shop,
        "items/a.csv",
        csv_of(
            header,
            "i,food,acme,9.99,https://x/i.png,Tea,http://x/i,eur,no,2026-01-02,red,XL",
            "j,,,,,,,,,,,",
            "k,a,b,0,,,,,1,,,S",
        ),
    )
    assert run.counts == {"rows_read": 3, "rows_refused": 0, "rows_kept": 3, "rows_repeated": 0}
    assert item(shop, "i") == {
        "categories": "food",
        "brands": "acme",
        "prices": 9.99,
        "img_urls": "https://x/i.png",
        "titles": "Tea",
        "urls": "http://x/i",
        "currencies": "EUR",
        "available": False,
        "extra": {"colour": "red", "size": "XL"},
    }
    empty = item(shop, "j")
    assert np.isnan(empty.pop("prices"))
    assert empty.pop("available")
    assert empty.pop("extra") == {}
    assert set(empty.values()) == {""}
    catalogue = stored(shop).catalogue
    assert catalogue.created_at[0] == datetime(2026, 1, 2, tzinfo=UTC).timestamp()
    # Without a date an item is as new as the first upload that named it.
    assert catalogue.created_at[1] == catalogue.as_of[1]


def test_typed_parquet(shop: Context) -> None:
    columns = {
        "item_id": pa.array([1, 2], pa.int64()),
        "category": ["a", None],
        "brand": ["b", None],
        "price": pa.array([1.5, None], pa.float32()),
        "img_url": [None, None],
        "available": [False, None],
        "created_at": [date(2026, 1, 2), None],
        "stock": pa.array([3, None], pa.int16()),
        "tags": [["x", "y"], None],
    }
    ingest(shop, "items/a.parquet", parquet_of(columns))
    catalogue = stored(shop).catalogue
    assert catalogue.item_ids == ("1", "2")
    assert catalogue.available.tolist() == [False, True]
    assert catalogue.extra == ({"stock": "3", "tags": "[x, y]"}, {})


def test_a_regular_price_is_a_number_of_the_shop_s_own_columns(shop: Context) -> None:
    rows = ("i;c;b;10,00;;12,50;red", "j;c;b;9,00;;;", "k;c;b;;;1.299,90;", "l;c;b;1;;0;")
    ingest(shop, "items/a.csv", csv_of("item_id;category;brand;price;img_url;Regular_Price;colour", *rows))
    assert [item(shop, name)["extra"] for name in "ijkl"] == [
        {"colour": "red", "regular_price": "12.5"}, {}, {"regular_price": "1299.9"}, {"regular_price": "0.0"},
    ]  # fmt: skip
    columns = {name: ["i"] for name in ("item_id", "category", "brand", "img_url")}
    typed = {**columns, "price": [9.0], "regular_price": [12]}
    ingest(shop, "items/b.parquet", parquet_of(typed))
    assert item(shop, "i")["extra"] == {"regular_price": "12.0"}


@pytest.mark.parametrize(("value", "reason"), [("-1", "negative"), ("cheap", "not_a_number"), ('"1,234"', "ambiguous")])
def test_a_regular_price_that_is_none_is_refused(shop_with: Callable[..., Context], value: str, reason: str) -> None:
    shop = shop_with(max_bad_rows=1)
    run = ingest(shop, "items/a.csv", csv_of(f"{HEADER},regular_price", f"i,c,b,1,,{value}", "j,c,b,1,,2"))
    assert [(row.row, row.reason) for row in report_of(shop, run).rows] == [(1, f"regular_price_{reason}")]
    assert stored(shop).catalogue.item_ids == ("j",)


def test_latin_1_with_semicolons_and_decimal_commas(shop: Context) -> None:
    data = csv_of(
        "item_id;category;brand;price;img_url;title", "i;Möbel;Müller;1.299,90;;Bücherregal", encoding="latin-1"
    )
    run = ingest(shop, "items/artikel.csv", data)
    assert any("Latin-1" in notice for notice in run.notices)
    assert item(shop, "i")["titles"] == "Bücherregal"
    assert item(shop, "i")["prices"] == 1299.9


REFUSED = [
    (",c,b,1,,", "item_id_empty"),
    ("   ,c,b,1,,", "item_id_empty"),
    ('"a\nb",c,b,1,,', "item_id_control_characters"),
    ("x" * 257 + ",c,b,1,,", "item_id_too_long"),
    ("i,c,b,-1,,", "price_negative"),
    ("i,c,b,cheap,,", "price_not_a_number"),
    ('i,c,b,"1,234",,', "price_ambiguous"),
    ("i,c,b,1,,maybe", "available_unreadable"),
    ("i,c,b", "wrong_number_of_fields"),
]


def test_bad_rows_are_refused_and_kept_as_they_were(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(max_bad_rows=1)
    rows = [row for row, _ in REFUSED]
    run = ingest(shop, "items/a.csv", csv_of(f"{HEADER},available", "good,c,b,1,,", *rows))
    assert [row.reason for row in report_of(shop, run).rows] == [reason for _, reason in REFUSED]
    assert [row.row for row in report_of(shop, run).rows] == list(range(2, len(REFUSED) + 2))
    assert run.counts["rows_kept"] == 1
    rows_file = report_of(shop, run).rows_file
    assert rows_file is not None
    kept = shop.bucket.get(rows_file)
    assert kept is not None
    assert (
        b'price_negative,price,price is negative,"write the price of a piece, 0 or more",-1.0,i,c,b,-1,,' in kept.data
    )


def test_columns_named_like_those_of_the_report_do_not_disturb_it(shop: Context) -> None:
    ingest(shop, "items/a.csv", csv_of(f"{HEADER},row,Value,code", "good,c,b,1,,1,2,3", "i,c,b,-1,,x,y,z"))
    assert item(shop, "good")["extra"] == {"row": "1", "value": "2", "code": "3"}


EMPTIED = {
    "img_url": ("javascript:alert(1)", "not an http(s) address"),
    "url": ("/media/i", "not an http(s) address"),
    "currency": ("euros", "not a three-letter code"),
    "created_at": ("31.12.2025", "not a time up to now"),
    "title": ("x" * 5000, "longer than 4096 bytes"),
    "category": ("x" * 5000, "longer than 4096 bytes"),
}


@pytest.mark.parametrize("column", EMPTIED)
def test_an_unusable_value_is_left_empty_and_said(shop: Context, column: str) -> None:
    value, said = EMPTIED[column]
    row = {"item_id": "i", "category": "", "brand": "b", "price": "1", "img_url": "", column: value}
    good = {**dict.fromkeys(row, ""), "item_id": "j"}
    data = csv_of(",".join(row), ",".join(good.values()), ",".join(row.values()))
    run = ingest(shop, "items/a.csv", data)
    assert [notice for notice in run.notices if notice.startswith(f"{column}: ")] == [
        f"{column}: values left empty, because {notice_form(said)}: 1, the first in row 2"
    ]
    assert run.counts["rows_kept"] == 2
    if column != "created_at":
        assert (
            item(shop, "i")[
                {"img_url": "img_urls", "category": "categories", "currency": "currencies"}.get(column, f"{column}s")
            ]
            == ""
        )


def notice_form(start: str) -> str:
    return {"not a three-letter code": "not a three-letter code such as EUR"}.get(start, start)


def test_an_overlong_value_of_a_column_of_the_shops_own_is_left_empty_and_said(shop: Context) -> None:
    run = ingest(shop, "items/a.csv", csv_of(f"{HEADER},description", f"i,c,b,1,,{'x' * 5000}"))
    assert item(shop, "i")["extra"] == {}
    assert any("a column of the shop's own" in notice for notice in run.notices)


def test_the_last_row_of_an_item_counts_and_the_others_are_counted(shop: Context) -> None:
    run = ingest(shop, "items/a.csv", csv_of(HEADER, "i,c,b,1,", "j,c,b,1,", "i,c,b,2,", "i,c,b,3,"))
    assert run.counts == {"rows_read": 4, "rows_refused": 0, "rows_kept": 2, "rows_repeated": 2}
    assert "rows that a later row of the same item replaced: 2" in run.notices
    assert item(shop, "i")["prices"] == 3


def test_too_many_columns_refuse_the_file(shop: Context) -> None:
    names = [f"c{number}" for number in range(101)]
    run = ingest(shop, "items/a.csv", csv_of(",".join([HEADER, *names]), "i,c,b,1,," + "," * 100))
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert "101 columns of its own" in run.error["message"]


@dataclass
class Dated(FaultyBucket):
    """A bucket whose objects were uploaded when a test says."""

    modified: dict[str, datetime] = field(default_factory=dict)

    def _dated(self, info: ObjectInfo | None) -> ObjectInfo | None:
        return replace(info, modified=self.modified.get(info.key, info.modified)) if info else None

    def head(self, key: str) -> ObjectInfo | None:
        return self._dated(super().head(key))

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        return self._dated(super().fetch(key, path))


def price_of(shop: Context, item_id: str = "i") -> float:
    return float(item(shop, item_id)["prices"])


@pytest.mark.parametrize("compacted", [False, True])
def test_the_later_upload_counts_whatever_order_they_are_read_in(shop: Context, compacted: bool) -> None:
    bucket = Dated(shop.bucket)
    shop = replace(shop, bucket=bucket)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for hours, price, newest in ((3, 30, 30), (1, 10, 30), (4, 40, 40), (2, 20, 40)):
        key = f"incoming/items/{hours}.csv"
        bucket.modified[key] = noon + timedelta(hours=hours)
        shop.bucket.put(key, csv_of(HEADER, f"i,c,b,{price},", f"i{hours},c,b,1,"))
        ingest_object(shop, key)
        if compacted:
            compact(shop)
        assert price_of(shop) == newest
    catalogue = stored(shop).catalogue
    assert catalogue.item_ids == ("i", "i1", "i2", "i3", "i4")
    assert catalogue.as_of[0] == (noon + timedelta(hours=4)).timestamp()
    # The item itself was there from the first.
    assert catalogue.created_at[0] == (noon + timedelta(hours=1)).timestamp()


def test_the_same_content_uploaded_again_later_replaces_what_came_between(shop: Context) -> None:
    bucket = Dated(shop.bucket)
    shop = replace(shop, bucket=bucket)
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    for hour, (name, price) in enumerate([("a", 1), ("b", 2), ("a", 1)]):
        bucket.modified[f"incoming/items/{name}.csv"] = noon + timedelta(hours=hour)
        ingest(shop, f"items/{name}.csv", csv_of(HEADER, f"i,c,b,{price},"))
    assert price_of(shop) == 1


def test_a_second_delivery_of_an_items_upload_adds_nothing(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(keep_uploads_days=1)
    ingest(shop, "items/a.csv", csv_of(HEADER, "i,c,b,1,"))
    again = ingest_object(shop, "incoming/items/a.csv")
    assert again.notices == ("incoming/items/a.csv was ingested already",)
    document = stored(shop).document
    assert document is not None
    assert document.seq == 1


def test_only_items_that_are_described_differently_have_changed(shop: Context) -> None:
    ingest(shop, "items/a.csv", csv_of(HEADER, "i,c,b,1,", "j,c,b,1,", "k,c,b,1,"))
    ingest(shop, "items/b.csv", csv_of(HEADER, "i,c,b,1,", "j,c,b,2,", "new,c,b,1,"))
    with reading(shop) as (_, reader):
        assert reader.changed_since(1).item_ids == ("j", "new")
        assert reader.changed_since(0).item_ids == ("i", "j", "k", "new")
        assert reader.changed_since(2).item_ids == ()
        assert reader.catalogue(("j", "unknown")).item_ids == ("j",)


def test_events_of_unknown_items_are_kept_and_counted(shop: Context) -> None:
    ingest(shop, "items/a.csv", csv_of(HEADER, "known,c,b,1,"))
    compact(shop)
    run = ingest(
        shop,
        "events/a.csv",
        events_csv("u,known,2026-01-01,1", "u,x,2026-01-01,1", "v,x,2026-01-01,1", "v,y,2026-01-01,1"),
    )
    assert run.counts["rows_kept"] == 4
    assert [notice for notice in run.notices if "no items upload has described: 3 (2 items)" in notice]
    run = ingest(shop, "events/b.csv", events_csv("w,known,2026-01-01,1"))
    assert run.notices == ()


def test_items_and_events_may_come_in_any_order(shop: Context) -> None:
    shop.bucket.put("incoming/events/a.csv", events_csv("u,i,2026-01-01,1"))
    shop.bucket.put("incoming/items/a.csv", csv_of(HEADER, "i,c,b,1,"))
    assert [run.state for run in drain(shop)] == ["done", "done"]
    assert stored(shop).counts.items == stored(shop).counts.events == 1


def test_availability_counts_where_there_is_no_available(shop: Context) -> None:
    words = ("https://schema.org/InStock", "Sold out", "backorder", "yes", "no", "")
    rows = (f"i{place},c,b,1,,{word}" for place, word in enumerate(words))
    run = ingest(shop, "items/a.csv", csv_of(f"{HEADER},availability", *rows, "z,c,b,1,,perhaps"))
    assert run.reasons == {"available_unreadable": 1}
    assert stored(shop).catalogue.available.tolist() == [True, False, True, True, False, True]
    ingest(shop, "items/b.csv", csv_of(f"{HEADER},availability,available", "i0,c,b,1,,in stock,no"))
    assert not item(shop, "i0")["available"]
