"""One table, written by whatever tool as CSV or as Parquet, gives the same data."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.store.engine import connect_trusted
from common.store.uploads.bounds import Bounds
from common.store.uploads.reading import Contents, ReadJob, ReadUpload, read_upload

NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
EVENT_NAMES: Final = ("user_id", "item_id", "ts", "qty", "price")
ITEM_NAMES: Final = ("item_id", "category", "brand", "price", "img_url", "title")
Row = tuple[Any, ...]
Writer = Callable[[Sequence[str], Sequence[Row]], bytes]

# An apostrophe before a sign is what a spreadsheet puts there: it is taken off in CSV, where spreadsheets write.
LETTERS = st.characters(codec="utf-8", exclude_characters="'\0\r\n\x85\u2028\u2029", exclude_categories=("C", "Zl"))
WORDS = st.text(LETTERS, max_size=8) | st.sampled_from(
    ("NULL", r"\N", "nan", "17.0", " 7 ", "Bjo\u0308rn", 'a "b", c;d\te')
)
NUMBERS = st.integers(1, 999) | st.decimals(1, 999, places=2).map(float) | st.none()
TIMES = st.integers(0, 300).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
TYPED_IDS = st.integers(1, 10**12) | st.none()


def csv_writer(separator: str, quoting: Literal[0, 1], encoding: str, end: str) -> Writer:
    def write(names: Sequence[str], rows: Sequence[Row]) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
        writer.writerow(names)
        for row in rows:
            writer.writerow(["" if value is None else _text(value) for value in row])
        return out.getvalue().encode(encoding)

    return write


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _columns(names: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def arrow_writer(text: pa.DataType, compression: str, **options: Any) -> Writer:
    def write(names: Sequence[str], rows: Sequence[Row]) -> bytes:
        arrays = {}
        for name, values in _columns(names, rows).items():
            array = pa.array(values)
            arrays[name] = array.cast(text) if pa.types.is_string(array.type) else array
        out = io.BytesIO()
        pq.write_table(pa.table(arrays), out, compression=compression, **options)
        return out.getvalue()

    return write


def pandas_writer(names: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Whole numbers with gaps become floats, texts with gaps have None or NaN."""
    out = io.BytesIO()
    pd.DataFrame(_columns(names, rows)).to_parquet(out)
    return out.getvalue()


def pandas_csv_writer(names: Sequence[str], rows: Sequence[Row]) -> bytes:
    return str(pd.DataFrame(_columns(names, rows)).to_csv(index=False)).encode()


def duckdb_writer(names: Sequence[str], rows: Sequence[Row]) -> bytes:
    table = pa.table(_columns(names, rows))
    with tempfile.TemporaryDirectory() as directory, duckdb.connect() as connection:
        path = Path(directory) / "a.parquet"
        connection.register("given", table)
        connection.execute(f"COPY given TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        return path.read_bytes()


CSV_WRITERS: Final[dict[str, Writer]] = {
    "comma": csv_writer(",", csv.QUOTE_MINIMAL, "utf-8", "\n"),
    "semicolon, a mark, all quoted": csv_writer(";", csv.QUOTE_ALL, "utf-8-sig", "\r\n"),
    "tab": csv_writer("\t", csv.QUOTE_MINIMAL, "utf-8", "\n"),
    "pandas": pandas_csv_writer,
}
PARQUET_WRITERS: Final[dict[str, Writer]] = {
    "arrow": arrow_writer(pa.string(), "snappy"),
    "large strings, zstd": arrow_writer(pa.large_string(), "zstd"),
    "dictionaries, brotli": arrow_writer(pa.dictionary(pa.int32(), pa.string()), "brotli"),
    "bytes, lz4": arrow_writer(pa.binary(), "lz4"),
    "as Spark has it": arrow_writer(pa.string(), "gzip", use_deprecated_int96_timestamps=True, version="1.0"),
    "pandas": pandas_writer,
    "DuckDB": duckdb_writer,
}


def read(contents: Contents, name: str, data: bytes) -> tuple[ReadUpload, dict[str, list[Any]]]:
    """What the upload holds: its account, and its segment's rows without the numbers that are made for each file."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        path = work / "upload"
        path.write_bytes(data)
        job = ReadJob(
            path, name, contents, work, NOW, NOW, "5ec2e7" * 11, 256 << 20, 1.0, Bounds(1000, 100, 1 << 20, 1 << 30)
        )
        found = read_upload(job)
        assert not found.rejected, found.rejected
        assert found.settled
        connection = connect_trusted(work, 256 << 20)
        connection.execute(f"ATTACH '{found.settled.segment.path}' AS made (READ_ONLY)")
        queries = {
            "events": "SELECT key_hi, key_lo, item_id, ts, qty, event_type, price FROM made.events "
            "LEFT JOIN made.users USING (user_no) JOIN made.item_ids USING (item_no) ORDER BY ALL",
            "items": "SELECT * EXCLUDE (first_seen, as_of, seq) FROM made.items ORDER BY ALL",
        }
        rows = {name: connection.execute(query).fetchall() for name, query in queries.items()}
        connection.close()
        return found, rows


EVENTS = st.tuples(st.booleans(), st.booleans()).flatmap(
    lambda typed: st.lists(
        st.tuples(*(TYPED_IDS if is_typed else WORDS for is_typed in typed), TIMES, st.integers(1, 9), NUMBERS),
        min_size=1,
        max_size=6,
    )
)
ITEMS = st.booleans().flatmap(
    lambda typed: st.lists(
        st.tuples(TYPED_IDS if typed else WORDS, WORDS, WORDS, NUMBERS, st.none(), WORDS), min_size=1, max_size=6
    )
)


def _same(contents: Contents, names: Sequence[str], rows: list[Row], written: tuple[str, str]) -> None:
    made = CSV_WRITERS[written[0]](names, rows), PARQUET_WRITERS[written[1]](names, rows)
    text, text_rows = read(contents, "a.csv", made[0])
    typed, typed_rows = read(contents, "a.parquet", made[1])
    assert typed_rows == text_rows
    assert (typed.rows_read, typed.rows_refused) == (text.rows_read, text.rows_refused)
    assert (typed.refusals and typed.refusals.counts) == (text.refusals and text.refusals.counts)


WRITTEN = st.tuples(st.sampled_from(sorted(CSV_WRITERS)), st.sampled_from(sorted(PARQUET_WRITERS)))
QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=6)


@given(rows=EVENTS, written=WRITTEN)
@QUIET
def test_events_are_the_same_in_csv_and_in_parquet(rows: list[Row], written: tuple[str, str]) -> None:
    _same("events", EVENT_NAMES, rows, written)


@given(rows=ITEMS, written=WRITTEN)
@QUIET
def test_items_are_the_same_in_csv_and_in_parquet(rows: list[Row], written: tuple[str, str]) -> None:
    _same("items", ITEM_NAMES, rows, written)


@pytest.mark.slow(lane="intake")
@given(rows=EVENTS, written=WRITTEN)
@settings(QUIET, max_examples=3_000)
def test_many_tables_of_events_are_the_same(rows: list[Row], written: tuple[str, str]) -> None:
    _same("events", EVENT_NAMES, rows, written)


@pytest.mark.slow(lane="intake")
@given(rows=ITEMS, written=WRITTEN)
@settings(QUIET, max_examples=2_000)
def test_many_tables_of_items_are_the_same(rows: list[Row], written: tuple[str, str]) -> None:
    _same("items", ITEM_NAMES, rows, written)
