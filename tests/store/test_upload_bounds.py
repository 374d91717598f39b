"""The bounds of an upload: what is over one of them is refused with its name, and the largest that is not is taken."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common.schemas.documents import RunState
from common.store.uploads.bounds import NAME_BYTES
from common.store.uploads.parquet_footer import DEPTH
from common.usecases.shared.context import Context
from tests.store.shop import csv_of, events_csv, ingest, parquet_of, report_of

ROW = "u,i,2026-01-01,1"
HEADER = "user_id,item_id,ts,qty"
EVENT: dict[str, list[Any]] = {"user_id": ["u"], "item_id": ["i"], "ts": [1_767_268_800], "qty": [1]}

MakeShop = Callable[..., Context]


def wide(columns: int) -> dict[str, list[Any]]:
    return EVENT | {f"c{number}": [1] for number in range(columns - len(EVENT))}


def nested(depth: int) -> bytes:
    """A column that is `depth` structs within each other."""
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return parquet_of({**EVENT, "deep": [value]})


def with_metadata(size: int) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(EVENT).replace_schema_metadata({"note": "x" * size}), out)
    return out.getvalue()


def csv_with(columns: int) -> bytes:
    more = range(columns - 4)
    return csv_of(HEADER + "".join(f",c{n}" for n in more), ROW + "".join(",1" for _ in more))


def long_row(size: int) -> bytes:
    """One row of `size` bytes, whose quoted values each hold line breaks."""
    row = ROW.encode()
    value = b',"\n' + b"x" * 46 + b'"'
    while len(row) + len(value) <= size:
        row += value
    return HEADER.encode() + b"\n" + row + b"," + b"y" * (size - len(row) - 1)


OVER: dict[str, tuple[dict[str, int], str, bytes, str]] = {
    "rows of a CSV": (
        {"max_upload_rows": 3},
        "a.csv",
        events_csv(*[ROW] * 4),
        "it has 4 rows; the most is 3",
    ),
    "blank lines": ({"max_upload_rows": 3}, "a.csv", events_csv("", "", "", ROW), "it has 4 rows; the most is 3"),
    "rows of Parquet": (
        {"max_upload_rows": 3},
        "a.parquet",
        parquet_of({name: values * 4 for name, values in EVENT.items()}),
        "it has 4 rows; the most is 3 (RECSYS_MAX_UPLOAD_ROWS): split it",
    ),
    "columns of a CSV": (
        {"max_upload_columns": 5},
        "a.csv",
        csv_with(6),
        "6 columns; the most is 5",
    ),
    "columns of Parquet": (
        {"max_upload_columns": 5},
        "a.parquet",
        parquet_of(wide(6)),
        "6 columns; the most is",
    ),
    "parts of a nested column": ({"max_upload_columns": 9}, "a.parquet", nested(5), "it has 10 columns; the most is 9"),
    "a deep column": ({}, "a.parquet", nested(DEPTH + 1), f"the column deep is nested more than {DEPTH} deep"),
    "a line": ({"max_line_bytes": 2_000}, "a.csv", events_csv(ROW, "x" * 2_001), "line 3: the row that begins here"),
    "a row of many lines": (
        {"max_line_bytes": 2_000},
        "a.csv",
        long_row(4_000),
        "has over 2000 bytes",
    ),
    "a column's name": ({}, "a.csv", csv_of(f"{HEADER},{'x' * (NAME_BYTES + 1)}", f"{ROW},1"), "name has 1025 bytes"),
    "a column's name in Parquet": ({}, "a.parquet", parquet_of({**EVENT, "x" * 1025: [1]}), "name has 1025 bytes"),
    "a footer": ({}, "a.parquet", with_metadata(17 << 20), "its footer has"),
    "unpacked bytes": (
        {"max_unpacked_bytes": 200_000},
        "a.parquet",
        parquet_of({**EVENT, "x": ["y" * 300_000]}),
        "unpac",
    ),
}


@pytest.mark.parametrize(("settings", "name", "data", "said"), OVER.values(), ids=OVER.keys())
def test_a_file_over_a_bound_is_refused_by_its_name(
    shop_with: MakeShop, settings: dict[str, int], name: str, data: bytes, said: str
) -> None:
    shop = shop_with(**settings)
    run = ingest(shop, f"events/{name}", data)
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert said in run.error["message"]
    assert f"incoming/events/{name}" in run.error["message"]
    report = report_of(shop, run)
    assert report.file is not None
    blob = shop.bucket.get(report.file)
    assert blob is not None
    assert blob.data == data


JUST: dict[str, tuple[dict[str, int], str, bytes]] = {
    "rows of a CSV": ({"max_upload_rows": 3}, "a.csv", events_csv("", *[ROW] * 2)),
    "columns of a CSV": ({"max_upload_columns": 5}, "a.csv", csv_with(5)),
    "columns of Parquet": ({"max_upload_columns": 5}, "a.parquet", parquet_of(wide(5))),
    "parts of a nested column": ({"max_upload_columns": 10}, "a.parquet", nested(5)),
    "a deep column": ({}, "a.parquet", nested(DEPTH)),
    "a line": ({"max_line_bytes": 2_000}, "a.csv", csv_of(f"{HEADER},x", f"{ROW},{'y' * (2_000 - len(ROW) - 1)}")),
}


@pytest.mark.parametrize(("settings", "name", "data"), JUST.values(), ids=JUST.keys())
def test_a_file_at_a_bound_is_taken(shop_with: MakeShop, settings: dict[str, int], name: str, data: bytes) -> None:
    run = ingest(shop_with(**settings), f"events/{name}", data)
    assert (run.state, run.counts.get("rows_kept")) == (RunState.DONE, 1), run.error


def test_a_footer_that_contradicts_itself_is_damage(shop: Context) -> None:
    """The file's number of rows is that of its row groups plus one."""
    data = parquet_of({name: values * 77 for name, values in EVENT.items()})
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size : -8]
    # A 64-bit field of Thrift's compact protocol, in which 77 is 0x9a 0x01. The file's own number comes first.
    place = footer.index(b"\x16\x9a\x01")
    lying = data[: -8 - size] + footer[:place] + b"\x16\x9c\x01" + footer[place + 3 :] + data[-8:]
    run = ingest(shop, "events/a.parquet", lying)
    assert run.error is not None
    assert "is damaged" in run.error["message"]
