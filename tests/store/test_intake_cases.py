"""Files as shops have sent them, each with what is right: a value that is read, or a refusal that says why.

The number of a case is that of a list of situations that shop people have reported.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from common.models.popularity import popularity
from common.schemas.documents import RunRecord, RunState
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.operate.doctor import CHECKS, CheckState
from common.usecases.shared.context import Context
from tests.store.shop import csv_of, events_csv, ingest, parquet_of, rows_of, stored

EVENTS = "user_id,item_id,ts,qty"
ITEMS = "item_id,category,brand,price,img_url"
SECONDS = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())

MakeShop = Callable[..., Context]

STILL_WRONG: dict[str, str] = {
    "19": "guests without an id",
    "20": "words for nothing in files of guests",
    "35": "full feeds",
    "44": "partial files",
}
"""The cases that are not right yet, by number, with what is missing."""


def case(number: str) -> pytest.MarkDecorator:
    missing = STILL_WRONG.get(number)
    return pytest.mark.xfail(missing is not None, reason=str(missing), strict=True)


def item(shop: Context, item_id: str) -> dict[str, Any]:
    catalogue = stored(shop).catalogue
    row = catalogue.item_ids.index(item_id)
    names = ("categories", "brands", "prices", "img_urls", "titles", "urls", "currencies", "available", "extra")
    return {name: getattr(catalogue, name)[row] for name in names}


def problem_of(run: RunRecord) -> str:
    assert run.state is RunState.REFUSED
    assert run.error is not None
    return run.error["message"]


def typed_events(**columns: Any) -> bytes:
    return parquet_of({"user_id": ["u"], "item_id": ["i"], "ts": [SECONDS], "qty": [1]} | columns)


@case("01")
def test_01_ids_in_scientific_notation_are_refused(shop_with: MakeShop) -> None:
    shop = shop_with(max_bad_rows=1)
    rows = ("4,00638E+12;shoes;acme;10;", "4,00638E+12;boots;acme;11;")
    items = ingest(shop, "items/a.csv", "\n".join((ITEMS.replace(",", ";"), *rows)).encode())
    assert items.reasons == {"item_id_scientific": 2}
    events = ingest(shop, "events/a.csv", b"user_id;item_id;ts;qty\nu;4,00638E+12;2026-01-01;1\n")
    assert events.reasons == {"item_id_scientific": 1}


@case("02")
def test_02_a_line_that_names_the_separator_is_read_past(shop: Context) -> None:
    data = "\ufeffsep=;\r\nuser_id;item_id;ts;qty\r\nu;i;2026-01-01;1\r\n".encode()
    assert ingest(shop, "events/a.csv", data).counts["rows_kept"] == 1


@case("03")
def test_03_blank_rows_and_columns_of_a_spreadsheet_are_read_past(shop: Context) -> None:
    run = ingest(shop, "events/a.csv", b"user_id;item_id;ts;qty\nu;i;2026-01-01;1\n;;;\n;;;\n")
    assert (run.counts["rows_kept"], run.counts["rows_refused"]) == (1, 0)
    run = ingest(shop, "events/b.csv", b"user_id;item_id;ts;qty;;;\nu;i;2026-01-02;1;;;\n")
    assert (run.counts["rows_kept"], run.counts["rows_refused"]) == (1, 0)


@case("04")
def test_04_lost_leading_zeros_are_said(shop: Context) -> None:
    from common.usecases.shared.told import told

    ingest(shop, "items/a.csv", csv_of(ITEMS, "00412,shoes,acme,10,"))
    run = ingest(shop, "events/a.parquet", typed_events(item_id=pa.array([412], pa.int64())))
    assert any("leading zeros" in line for line in told(run))


@case("05")
def test_05_thousands_with_a_dot_are_no_decimals(shop_with: MakeShop) -> None:
    shop = shop_with(max_bad_rows=1)
    prices = ("1.299", "2.499", "89", "899")
    rows = (f"i{number};shoes;acme;{price};" for number, price in enumerate(prices))
    run = ingest(shop, "items/a.csv", "\n".join((ITEMS.replace(",", ";"), *rows)).encode())
    assert run.reasons == {"price_ambiguous": 2}
    assert stored(shop).catalogue.prices.tolist() == [89, 899]


@case("06")
def test_06_a_price_brings_its_currency(shop: Context) -> None:
    rows = ("a;s;x;15.00 EUR;", "b;s;x;EUR 7.25;", "c;s;x;1.299,00 €;")
    run = ingest(shop, "items/a.csv", "\n".join((ITEMS.replace(",", ";"), *rows)).encode())
    assert run.reasons == {}
    catalogue = stored(shop).catalogue
    assert catalogue.prices.tolist() == [15, 7.25, 1299]
    assert catalogue.currencies == ("EUR",) * 3


@case("07")
def test_07_one_latin_row_in_utf_8_is_refused_alone(shop: Context) -> None:
    data = csv_of(f"{ITEMS},title", "a,s,x,1,,Käse", "b,s,x,1,,Öl") + b"c,s,x,1,,B\xe4r\n"
    run = ingest(shop, "items/a.csv", data)
    assert run.reasons == {"not_utf8": 1}
    assert stored(shop).catalogue.titles == ("Käse", "Öl")


@case("08")
def test_08_windows_1250_is_read_or_refused_by_name(shop: Context) -> None:
    run = ingest(shop, "items/a.csv", csv_of(f"{ITEMS},title", "a,s,x,1,,Łóżko dębowe", encoding="cp1250"))
    if run.state is RunState.DONE:
        assert item(shop, "a")["titles"] == "Łóżko dębowe"
    else:
        assert "1250" in problem_of(run)


@case("09")
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_09_utf_16_is_read_with_a_mark_and_without(shop: Context, encoding: str) -> None:
    data = csv_of(f"{ITEMS},title", "a,s,x,1,,Łóżko", separator="\t", encoding=encoding)
    if encoding == "utf-16-le":
        data = data[:-1] + b"\n\0"
    elif encoding == "utf-16-be":
        data = data[:-1] + b"\0\n"
    else:
        data = data[:-1] + "\n".encode("utf-16")[2:]
    run = ingest(shop, "items/a.csv", data)
    assert run.state is RunState.DONE, run.error
    assert item(shop, "a")["titles"] == "Łóżko"


@case("10")
def test_10_two_byte_order_marks_are_read_past(shop: Context) -> None:
    data = "\ufeff\ufeffuser_id,item_id,ts,qty\nu,i,2026-01-01,1\n".encode()
    assert ingest(shop, "events/a.csv", data).counts["rows_kept"] == 1


@case("16")
def test_16_addresses_of_pictures_are_repaired(shop: Context) -> None:
    rows = ("a,s,x,1,https://h/My picture.jpg", "b,s,x,1,//host/a.jpg", "c,s,x,1,nowhere", "d,s,x,1,nowhere either")
    run = ingest(shop, "items/a.csv", csv_of(ITEMS, *rows))
    assert stored(shop).catalogue.img_urls == ("https://h/My%20picture.jpg", "https://host/a.jpg", "", "")
    assert any("img_url" in notice and "2" in notice for notice in run.notices)


@case("17")
def test_17_entities_are_decoded(shop: Context) -> None:
    rows = ("a,A &#8211; B,x,1,,a &amp; b", "b,A – B,x,1,,c")
    ingest(shop, "items/a.csv", csv_of(f"{ITEMS},title", *rows))
    assert item(shop, "a")["titles"] == "a & b"
    assert set(stored(shop).catalogue.categories) == {"A – B"}


GUESTS = [f"0,i{n % 9},2026-01-{1 + n // 24:02}T{n % 24:02}:00:00Z,1" for n in range(600)]
CUSTOMERS = [f"c{n},i{n % 9},2026-01-03T13:00:00Z,1" for n in range(400)]


@case("18")
def test_18_guests_under_one_id_are_told(shop: Context) -> None:
    """The setting by which they are nobody is `crowds_are_nobody`."""
    ingest(shop, "events/a.csv", events_csv(*GUESTS, *CUSTOMERS))
    found = CHECKS["customers"](shop)
    assert found.outcome is CheckState.WARNING
    assert "customer '0'" in found.message
    assert "60%" in found.message


@case("19")
def test_19_guests_without_an_id_are_kept_without_a_person(shop: Context) -> None:
    rows = ["u,a,2026-01-01,1", "v,a,2026-01-01,1", ",b,2026-01-01,1", ",c,2026-01-01,1", ",d,2026-01-01,1"]
    run = ingest(shop, "events/a.csv", events_csv(*rows))
    assert (run.state, run.reasons, run.counts["rows_kept"]) == ("done", {}, 5)
    assert int((stored(shop).interactions.users < 0).sum()) == 3


@case("20")
def test_20_words_for_nothing_are_nobody(shop: Context) -> None:
    rows = [f"{word},i{n},2026-01-01,1" for n, word in enumerate(("NULL", "\\N", "nan", "None"))]
    ingest(shop, "events/a.csv", events_csv(*rows, "u,a,2026-01-01,1"))
    ingest(
        shop,
        "events/b.parquet",
        typed_events(user_id=["NULL", "\\N", "nan", "None"], item_id=list("wxyz"), ts=[SECONDS] * 4, qty=[1] * 4),
    )
    assert stored(shop).interactions.n_users == 1


@case("21")
def test_21_one_bot_is_not_first(shop: Context) -> None:
    bot = [f"bot,x,2026-01-{1 + n // 60:02}T{n % 24:02}:{n % 60:02}:{n % 59:02}Z,1" for n in range(600)]
    people = [f"p{n},a,2026-01-05T12:{n:02}:00Z,1" for n in range(4)]
    ingest(shop, "events/a.csv", events_csv(*bot, *people))
    data = stored(shop).interactions
    scores = popularity(data, int(data.ts.max()), 28)
    assert data.item_ids[int(np.argmax(scores))] == "a"


@case("22")
def test_22_a_piece_by_weight_is_one_purchase(shop: Context) -> None:
    run = ingest(shop, "events/a.csv", events_csv("u,a,2026-01-01,0.35", "u,b,2026-01-01,2"))
    assert run.reasons == {}
    assert [row[3] for row in rows_of(shop)] == [1.0, 2.0]


@case("24")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-20 10:14:02 +0100", 1795166042),
        ('"Fri, 20 Nov 2026 10:14:02 +0100"', 1795166042),
        ("1795166042000000", 1795166042),
    ],
)
def test_24_times_of_other_systems_are_read(shop: Context, text: str, seconds: int) -> None:
    ingest(shop, "events/a.csv", events_csv(f"u,i,{text},1"))
    assert [row[2] for row in rows_of(shop)] == [seconds]


@case("26")
def test_26_float_ids_are_the_same_in_both_containers(shop: Context) -> None:
    ingest(shop, "events/a.csv", events_csv("5.0,17.0,2026-01-01T12:00:00Z,1"))
    ingest(shop, "events/b.parquet", typed_events(user_id=[5.0], item_id=[17.0]))
    assert rows_of(shop, ["5"]) == [("5", "17", SECONDS, 1.0, "purchase")]


@case("27")
def test_27_columns_without_a_value_are_empty(shop: Context) -> None:
    run = ingest(shop, "events/a.parquet", typed_events(event_type=pa.nulls(1)))
    assert run.counts.get("rows_kept") == 1, run.error
    assert rows_of(shop)[0][4] == "purchase"
    nothing = {name: pa.nulls(0) for name in EVENTS.split(",")}
    empty = ingest(shop, "events/b.parquet", parquet_of(nothing))
    assert empty.state is RunState.DONE, empty.error
    assert "the file has no rows" in empty.notices


@case("28")
def test_28_a_decimal_without_a_fraction_is_an_id(shop: Context) -> None:
    ids = pa.array([Decimal(9007199254740993)], pa.decimal128(38, 0))
    ingest(shop, "events/a.parquet", typed_events(item_id=ids, user_id=ids))
    assert rows_of(shop, ["9007199254740993"])[0][:2] == ("9007199254740993", "9007199254740993")


@case("30")
def test_30_markers_of_spark_are_no_uploads(shop: Context) -> None:
    folder = "incoming/events/export/"
    shop.bucket.put(f"{folder}part-00000-1f0c.c000.snappy.parquet", typed_events())
    for name in ("_SUCCESS", "._SUCCESS.crc", ".part-00000-1f0c.c000.snappy.parquet.crc"):
        shop.bucket.put(folder + name, b"")
    assert [run.state for run in drain(shop)] == ["done"]
    assert [run.state for run in drain(shop)] == []
    assert ingest_object(shop, f"{folder}_SUCCESS").state is RunState.DONE


@case("32")
@pytest.mark.parametrize("data", [b"PARE" + bytes(40) + b"PARE"])
def test_32_an_encrypted_parquet_is_called_so(shop: Context, data: bytes) -> None:
    assert "is encrypted" in problem_of(ingest(shop, "events/a.parquet", data))


@case("35")
def test_35_what_a_full_feed_no_longer_lists_is_unavailable(shop: Context) -> None:
    others = [f"i{n},s,x,1," for n in range(8)]
    for listed in (["a,s,x,1,", "b,s,x,1,"], ["a,s,x,1,"]):
        ingest(shop, "catalogue/main/a.csv", csv_of(ITEMS, *listed, *others))
    assert item(shop, "a")["available"]
    assert not item(shop, "b")["available"]


@case("38")
def test_38_words_of_availability(shop: Context) -> None:
    words = {"in stock": True, "in_stock": True, "out of stock": False, "out_of_stock": False, "preorder": True}
    rows = [f"i{place},s,x,1,,{word}" for place, word in enumerate(words)]
    ingest(shop, "items/a.csv", csv_of(f"{ITEMS},availability", *rows))
    assert stored(shop).catalogue.available.tolist() == list(words.values())


@case("39")
def test_39_one_huge_text_is_left_out(shop: Context) -> None:
    rows = (f'a,s,x,1,,"{"Tea. " * 40_800}"', "b,s,x,1,,short")
    run = ingest(shop, "items/a.csv", csv_of(f"{ITEMS},description", *rows))
    assert run.counts.get("rows_kept") == 2, run.error
    assert item(shop, "a")["extra"] == {}
    assert item(shop, "b")["extra"] == {"description": "short"}


@case("44")
def test_44_a_narrower_file_changes_its_columns_only(shop: Context) -> None:
    ingest(shop, "items/a.csv", csv_of(f"{ITEMS},url,title", "a,s,x,1,,https://h/a,Tea"))
    run = ingest(shop, "items/b.csv", csv_of("item_id,price,available", "a,2,no"))
    assert run.state is RunState.DONE, run.error
    found = item(shop, "a")
    assert (found["urls"], found["titles"], found["brands"], found["prices"]) == ("https://h/a", "Tea", "x", 2)
    assert not found["available"]
