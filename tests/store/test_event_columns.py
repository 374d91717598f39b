"""Every column of an events upload: the forms that are read, and the rows that are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from common.store.uploads.reasons import REASONS
from common.usecases.shared.context import Context
from tests.memory import memory_context
from tests.store.shop import NOON, csv_of, events_csv, ingest, parquet_of, report_of, rows_of, stored

SECONDS = int(NOON.timestamp())
BERLIN = timezone(timedelta(hours=1))
TIMES: dict[str, Any] = {
    "timestamp in UTC": pa.array([NOON], pa.timestamp("us", tz="UTC")),
    "timestamp with another zone": pa.array([NOON.astimezone(BERLIN)], pa.timestamp("ms", tz="Europe/Berlin")),
    "timestamp without zone": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")),
    "timestamp in UTC in nanoseconds": pa.array([NOON], pa.timestamp("ns", tz="UTC")),
    "timestamp in seconds": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")),
    "timestamp in nanoseconds": pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")),
    "epoch seconds": pa.array([SECONDS], pa.int64()),
    "epoch seconds in 32 bits": pa.array([SECONDS], pa.int32()),
    "epoch seconds as float": pa.array([float(SECONDS)], pa.float64()),
    "epoch milliseconds": pa.array([SECONDS * 1000], pa.int64()),
    "ISO text with Z": ["2026-01-01T12:00:00Z"],
    "ISO text with offset": ["2026-01-01T13:00:00.000+01:00"],
    "ISO text without zone": ["2026-01-01 12:00:00"],
    "epoch seconds as text": [str(SECONDS)],
    "epoch milliseconds as text": [str(SECONDS * 1000)],
}


@pytest.mark.parametrize("ts", TIMES.values(), ids=TIMES.keys())
def test_a_time_is_read_as_utc(shop: Context, ts: Any) -> None:
    run = ingest(shop, "events/a.parquet", parquet_of({"user_id": ["u"], "item_id": ["i"], "ts": ts, "qty": [1]}))
    assert run.counts["rows_kept"] == 1
    assert rows_of(shop, ["u"]) == [("u", "i", SECONDS, 1.0, "purchase")]


def test_a_date_is_its_midnight(shop: Context) -> None:
    columns = {"user_id": ["u"], "item_id": ["i"], "ts": [date(2026, 1, 1)], "qty": [1]}
    ingest(shop, "events/a.parquet", parquet_of(columns))
    ingest(shop, "events/b.csv", events_csv("v,i,2026-01-01,1"))
    assert stored(shop).interactions.ts.tolist() == [SECONDS - 12 * 3600] * 2


IDS: dict[str, Any] = {
    "text": (["7", "x-é"], ["7", "x-é"]),
    "whole numbers": (pa.array([7, 10**15], pa.int64()), ["7", str(10**15)]),
    "whole numbers as floats": (pa.array([7.0, 1e9], pa.float64()), ["7", "1000000000"]),
    "decimals without decimals": (pa.array([Decimal(7), Decimal(8)], pa.decimal128(12, 0)), ["7", "8"]),
}


@pytest.mark.parametrize(("ids", "expected"), IDS.values(), ids=IDS.keys())
def test_ids_are_text_whatever_their_type(shop: Context, ids: Any, expected: list[str]) -> None:
    ingest(shop, "events/a.parquet", parquet_of({"user_id": ids, "item_id": ids, "ts": [SECONDS] * 2, "qty": [1, 1]}))
    assert rows_of(shop, expected) == sorted(((one, one, SECONDS, 1.0, "purchase") for one in expected), key=str)


def test_optional_columns_have_their_defaults_and_values(shop: Context) -> None:
    header = "user_id,item_id,ts,qty,event_type,order_id,session_id,price,consent"
    rows = ["u,a,2026-01-01,2.5,VIEW,,s1,,true", "u,b,2026-01-02,1,return,o1,s1,1.5,1", "v,c,2026-01-03,1,,o1,,0,yes"]
    run = ingest(shop, "events/a.csv", csv_of(header, *rows))
    assert run.counts == {"rows_read": 3, "rows_refused": 0, "rows_kept": 3, "rows_repeated": 0}
    data = stored(shop).interactions
    assert [row[-1] for row in rows_of(shop)] == ["view", "return", "purchase"]
    assert data.qty.tolist() == [2.5, 1, 1]
    assert np.isnan(data.prices[0])
    assert data.prices[1:].tolist() == [1.5, 0]
    assert data.orders[0] == -1
    assert data.orders[1] == data.orders[2] >= 0
    assert data.sessions[0] == data.sessions[1] >= 0
    assert data.sessions[2] == -1


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


GOOD = {"user_id": "u", "item_id": "i", "ts": "2026-01-01", "qty": "1", "event_type": "", "price": "", "consent": "1"}
GOOD |= {"order_id": "o", "session_id": "s"}
REFUSED: list[tuple[str, str | Callable[[], str], str]] = [
    ("user_id", "", "user_id_empty"),
    ("user_id", "   ", "user_id_empty"),
    ("user_id", "x" * 257, "user_id_too_long"),
    ("user_id", "ä" * 129, "user_id_too_long"),
    ("user_id", '"a\nb"', "user_id_control_characters"),
    ("user_id", "a\x7fb", "user_id_control_characters"),
    ("user_id", "a\u0085b", "user_id_control_characters"),
    ("item_id", "", "item_id_empty"),
    ("item_id", "x" * 257, "item_id_too_long"),
    ("item_id", '"a\tb"', "item_id_control_characters"),
    ("ts", "", "ts_empty"),
    ("ts", "yesterday", "ts_unreadable"),
    ("ts", "2026-02-30", "ts_unreadable"),
    ("ts", "31.12.2025", "ts_ambiguous"),
    ("ts", "12/31/2025 10:00", "ts_ambiguous"),
    ("ts", "20251231", "ts_ambiguous"),
    ("ts", "45000", "ts_ambiguous"),
    ("ts", "123456789012345678901", "ts_ambiguous"),
    ("ts", "3000-01-01", "ts_in_future"),
    ("ts", in_an_hour, "ts_in_future"),
    ("ts", "1969-12-31", "ts_too_old"),
    ("ts", "infinity", "ts_unreadable"),
    ("qty", "", "qty_empty"),
    ("qty", "0", "qty_below_one"),
    ("qty", "-1", "qty_below_one"),
    ("qty", "0.0", "qty_below_one"),
    ("qty", "two", "qty_not_a_number"),
    ("qty", "nan", "qty_empty"),
    ("qty", "inf", "qty_not_a_number"),
    ("user_id", "4,00638E+12", "user_id_scientific"),
    ("item_id", "1e+16", "item_id_scientific"),
    ("order_id", "4.00638E+12", "order_id_scientific"),
    ("session_id", "4.00638e12", "session_id_scientific"),
    ("qty", "1e999", "qty_not_a_number"),
    ("event_type", "buy", "event_type_unknown"),
    ("consent", "perhaps", "consent_unreadable"),
    ("price", "-0.01", "price_negative"),
    ("price", "free", "price_not_a_number"),
    ("price", "12 apples", "price_not_a_number"),
    ("price", "12 EUR each", "price_not_a_number"),
    ("price", '"1,234"', "price_ambiguous"),
    ("order_id", "x" * 257, "order_id_too_long"),
    ("session_id", "x" * 257, "session_id_too_long"),
]


@pytest.fixture(scope="module")
def refused_together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Context, Any]:
    """One file that holds every bad row of the table after one good row."""
    shop = memory_context(tmp_path_factory.mktemp("refused"), max_bad_rows=1)
    rows = [GOOD]
    rows += [{**GOOD, column: value() if callable(value) else value} for column, value, _ in REFUSED]
    data = "\n".join([";".join(GOOD), *(";".join(row.values()) for row in rows)]).encode()
    return shop, ingest(shop, "events/a.csv", data)


@pytest.mark.parametrize(
    ("number", "case"), list(enumerate(REFUSED, start=2)), ids=[f"{c}={v!r:.20}" for c, v, _ in REFUSED]
)
def test_a_bad_row_is_refused_with_its_reason(
    refused_together: tuple[Context, Any], number: int, case: tuple[str, str, str]
) -> None:
    shop, run = refused_together
    rows = {row.row: row for row in report_of(shop, run).rows}
    column, _, code = case
    assert (rows[number].column, rows[number].reason) == (column, code)


def test_refused_rows_are_counted_exactly(refused_together: tuple[Context, Any]) -> None:
    shop, run = refused_together
    assert run.counts == {
        "rows_read": len(REFUSED) + 1,
        "rows_refused": len(REFUSED),
        "rows_kept": 1,
        "rows_repeated": 0,
    }
    assert sum(run.reasons.values()) == len(REFUSED)
    report = report_of(shop, run)
    assert {reason.code: reason.rows for reason in report.reasons} == run.reasons
    for reason in report.reasons:
        assert reason.what_to_do == REASONS[reason.code].remedy


def test_every_reason_of_an_event_was_seen(refused_together: tuple[Context, Any]) -> None:
    """`not_whole` needs a typed column and stands in a test of its own; the others are about a row or an item, as is a
    regular price."""
    _, run = refused_together
    known = {code for code in REASONS if not code.endswith("not_whole") and not code.startswith("regular_price")}
    elsewhere = {
        "wrong_number_of_fields",
        "broken_quotes",
        "open_quote",
        "not_utf8",
        "available_unreadable",
        "qty_ambiguous",
        "user_erased",
    }
    assert known - elsewhere == set(run.reasons)


@pytest.mark.parametrize("column", ["user_id", "item_id", "order_id", "session_id"])
def test_an_id_with_decimals_is_refused(shop: Context, column: str) -> None:
    columns = {"user_id": ["u", "u"], "item_id": ["i", "i"], "ts": [SECONDS] * 2, "qty": [1, 1], column: [1.0, 1.5]}
    run = ingest(shop, "events/a.parquet", parquet_of(columns))
    assert run.reasons == {f"{column}_not_whole": 1}
    assert run.counts["rows_kept"] == 1


def test_empty_numbers_of_a_typed_column_are_empty(shop: Context) -> None:
    """Pandas writes a missing number as NaN."""
    columns = {
        "user_id": ["u", "v"],
        "item_id": ["i", "i"],
        "ts": [SECONDS] * 2,
        "qty": [1.0, np.nan],
        "price": [np.nan, 2],
    }
    run = ingest(shop, "events/a.parquet", parquet_of(columns))
    assert run.reasons == {"qty_empty": 1}
    assert np.isnan(stored(shop).interactions.prices[0])


WRONG_TYPES = {
    "user_id": pa.array([True]),
    "item_id": pa.array([[1]]),
    "ts": pa.array([True]),
    "qty": pa.array([True]),
    "event_type": pa.array([1]),
    "consent": pa.array([date(2026, 1, 1)]),
    "price": pa.array([date(2026, 1, 1)]),
}


@pytest.mark.parametrize("column", WRONG_TYPES)
def test_a_column_of_a_wrong_type_refuses_the_file(shop: Context, column: str) -> None:
    columns = {"user_id": ["u"], "item_id": ["i"], "ts": [SECONDS], "qty": [1], column: WRONG_TYPES[column]}
    run = ingest(shop, "events/a.parquet", parquet_of(columns))
    assert run.state == "refused"
    assert run.error is not None
    assert f"the column {column} has the type" in run.error["message"]
    assert "accepted:" in run.error["message"]


NUMBERS = [
    ("12.50", 12.5),
    ("12,50", 12.5),
    ("1.234,50", 1234.5),
    ("1,234.50", 1234.5),
    ("1 234,50", 1234.5),
    ("1'234.50", 1234.5),
    ("1.234.567", 1234567),
    ("1,234,567", 1234567),
    ("0,500", 0.5),
    ("7", 7),
    ("1e2", 100),
    (".5", 0.5),
]


def test_prices_are_read_as_people_write_them(shop: Context) -> None:
    rows = [f"u;i;2026-01-{day:02};1;{text}" for day, (text, _) in enumerate(NUMBERS, start=1)]
    run = ingest(shop, "events/a.csv", "\n".join(["user_id;item_id;ts;qty;price", *rows]).encode())
    assert run.reasons == {}
    assert stored(shop).interactions.prices.tolist() == [value for _, value in NUMBERS]


def test_a_decimal_comma_elsewhere_tells_what_a_comma_means(shop: Context) -> None:
    """1,234 is a decimal where 12,50 is one; then it is 1.234 that nobody can tell."""
    rows = ["u;a;2026-01-01;1;12,50", "u;b;2026-01-01;1;1,234", "u;c;2026-01-01;1;1.234"]
    run = ingest(shop, "events/a.csv", "\n".join(["user_id;item_id;ts;qty;price", *rows]).encode())
    assert run.reasons == {"price_ambiguous": 1}
    assert sorted(stored(shop).interactions.prices.tolist()) == pytest.approx([1.234, 12.5])


def priced(*prices: str) -> bytes:
    rows = (f"u;i{place};2026-01-01;1;{price}" for place, price in enumerate(prices))
    return "\n".join(("user_id;item_id;ts;qty;price", *rows)).encode()


@pytest.mark.parametrize("other", ["12.50", "0.5", "1234.5", "1,234.50"])
def test_another_value_tells_that_a_dot_is_a_decimal_point(shop: Context, other: str) -> None:
    ingest(shop, "events/a.csv", priced("1.234", other))
    assert pytest.approx(1.234) in stored(shop).interactions.prices.tolist()


def test_where_nothing_tells_what_a_dot_means_it_is_refused(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(max_bad_rows=1)
    for number, other in enumerate(("", "899", "1.299", "12 EUR")):
        run = ingest(shop, f"events/{number}.csv", priced("1.234", other))
        assert run.reasons["price_ambiguous"] == 1 + (other == "1.299")


def test_pieces_with_three_decimals_each_are_decimals(shop: Context) -> None:
    ingest(shop, "events/a.csv", events_csv("u,i,2026-01-01,1.000", "u,j,2026-01-01,2.000"))
    assert stored(shop).interactions.qty.tolist() == [1, 2]


def test_a_currency_beside_a_price_is_passed_over(shop: Context) -> None:
    texts = (
        "24.90EUR",
        "EUR24.90",
        "24.90\u00a0€",
        "€ 24.90",
        "24.90 zł",
        "24.90 Kč",
        "$24.90",
        "24.90 kr.",
        "24.90 Fr.",
    )
    run = ingest(shop, "events/a.csv", priced(*texts))
    assert run.reasons == {}
    assert stored(shop).interactions.prices.tolist() == pytest.approx([24.9] * len(texts))


def test_a_dash_stands_for_no_cents(shop: Context) -> None:
    run = ingest(shop, "events/a.csv", priced("12,-", "12.–", "12,-- €"))
    assert run.reasons == {}
    assert stored(shop).interactions.prices.tolist() == [12, 12, 12]
