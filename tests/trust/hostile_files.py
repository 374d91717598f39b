"""Files that are made to stop what reads them. Each is made in a few seconds, whatever it stands for."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = b"user_id,item_id,ts,qty"
ROW = b"u,i,2026-01-01,1"
TIME = 1_767_268_800
MIB = 1 << 20


def _equal_text(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([text]))


def _events(rows: int, **columns: Any) -> pa.Table:
    """A table of events that are all equal, but for `columns`."""
    equal = {
        "user_id": _equal_text("mallory", rows),
        "item_id": _equal_text("i", rows),
        "ts": pa.repeat(pa.scalar(TIME), rows),
        "qty": pa.repeat(pa.scalar(1, pa.int8()), rows),
    }
    return pa.table(equal | columns)


def _write(path: Path, table: pa.Table, **options: Any) -> None:
    pq.write_table(table, path, compression="zstd", write_statistics=False, **options)


def equal_rows(path: Path) -> None:
    _write(path, _events(20_000_000), row_group_size=20_000_000)


def three_times_as_many(path: Path) -> None:
    _write(path, _events(60_000_000), row_group_size=60_000_000)


def equal_rows_of_nobody(path: Path) -> None:
    rows = 5_000_000
    _write(path, _events(rows, consent=pa.repeat(pa.scalar(False), rows)), row_group_size=rows)


def columns_of_csv(path: Path) -> None:
    more = 400_000
    path.write_bytes(HEADER + b",c" * more + b"\n" + ROW + b",1" * more + b"\n")


def columns_within_a_line(path: Path) -> None:
    """As many columns as a line of the longest length has room for."""
    more = 500_000
    path.write_bytes(HEADER + b",c" * more + b"\n" + ROW + b",1" * more + b"\n")


def one_line(path: Path) -> None:
    _parts(path, HEADER + b"\n" + ROW + b"\n", repeat(b"u," * (MIB // 2), 330))


def one_row_of_many_lines(path: Path) -> None:
    _parts(path, HEADER + b"\n" + ROW, repeat(b',"a\n"' * (MIB // 5), 20))


def open_quote(path: Path) -> None:
    _parts(path, HEADER + b'\n"u,i,2026-01-01,1\n', repeat((ROW + b"\n") * (MIB // 17), 20))


def blank_lines(path: Path) -> None:
    _parts(path, HEADER + b"\n", repeat(b"\n" * MIB, 5))


def short_rows_of_a_wide_header(path: Path) -> None:
    """Two bytes of each row become a thousand fields in a file that is read as it should have been written."""
    header = HEADER + b"".join(b",c%d" % number for number in range(990))
    _parts(path, header + b"\n", repeat(b"x\n" * (MIB // 32), 1))


def zero_bytes(path: Path) -> None:
    _parts(path, HEADER + b"\n", repeat(bytes(MIB), 20))


def bomb_named_csv(path: Path) -> None:
    path.write_bytes(gzip.compress(bytes(200 * MIB), 1))


def columns_of_parquet(path: Path) -> None:
    _write(path, _events(1, **{f"c{number}": pa.array([1]) for number in range(20_000)}))


def deep_column(path: Path) -> None:
    value = pa.array([1])
    for _ in range(200):
        value = pa.StructArray.from_arrays([value], ["a"])
    _write(path, _events(1, deep=value))


def dictionary(path: Path) -> None:
    """A column with a dictionary of 300 MB, which packs to a few hundred kilobytes."""
    ids = pa.array([f"{number:07}" + "x" * 693 for number in range(400_000)])
    _write(path, _events(len(ids), user_id=ids), dictionary_pagesize_limit=1 << 30, row_group_size=len(ids))


def giant_cell(path: Path) -> None:
    _write(path, _events(1, item_id=pa.array(["x" * (500 * MIB)])), use_dictionary=False)


def distinct_items(path: Path) -> None:
    """More item ids than fit into the memory that is allowed."""
    ids = pa.array([f"{number:07}" + "y" * 593 for number in range(1_500_000)])
    _write(path, _events(len(ids), item_id=ids), use_dictionary=False)


def tiny_row_groups(path: Path) -> None:
    _write(path, _events(5_000), row_group_size=1)


def metadata(path: Path) -> None:
    _write(path, _events(1).replace_schema_metadata({"note": "x" * (20 * MIB)}))


def no_row_groups(path: Path) -> None:
    path.write_bytes(_only_a_footer(rows=0))


def claims_2_60_rows(path: Path) -> None:
    path.write_bytes(_only_a_footer(rows=1 << 60))


def page_that_lies(path: Path) -> None:
    """A page of some megabytes that says it unpacks to 127."""
    values = pa.array([f"{number:0200}" for number in range(20_000)])
    table = _events(len(values), item_id=values)
    _write(path, table.select(["item_id", "user_id", "ts", "qty"]), use_dictionary=False, data_page_size=1 << 30)
    data = bytearray(path.read_bytes())
    # After the magic: the page's type, then its unpacked size in the field of type i32, four bytes long.
    assert data[4:7] == b"\x15\x00\x15"
    assert data[7] & data[8] & data[9] & 0x80
    data[7:11] = _varint(2 * (127 * MIB))
    path.write_bytes(data)


def damaged_pages(path: Path) -> None:
    rng = random.Random(20261130)
    _write(path, _events(50_000, item_id=pa.array([f"i{rng.random()}" for _ in range(50_000)])), use_dictionary=False)
    data = bytearray(path.read_bytes())
    for _ in range(200):
        data[rng.randrange(8, len(data) - 2_000)] = rng.randrange(256)
    path.write_bytes(data)


def _parts(path: Path, start: bytes, parts: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.write(start)
        file.writelines(parts)


def _only_a_footer(rows: int) -> bytes:
    """A Parquet file without pages, in Thrift's compact protocol: version 1, columns of text, `rows`, no groups."""
    names = [b"schema", *HEADER.split(b",")]
    root = b"\x48" + _text(names[0]) + b"\x15\x08\x00"
    leaves = [b"\x15\x0c\x25\x02\x18" + _text(name) + b"\x25\x00\x00" for name in names[1:]]
    schema = bytes([0x19, (len(names) << 4) | 0x0C]) + root + b"".join(leaves)
    footer = b"\x15\x02" + schema + b"\x16" + _varint(2 * rows) + b"\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def _text(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


Make = Callable[[Path], None]

HOSTILE: dict[str, Make] = {
    "equal-rows.parquet": equal_rows,
    "equal-rows-60.parquet": three_times_as_many,
    "equal-rows-of-nobody.parquet": equal_rows_of_nobody,
    "columns.csv": columns_of_csv,
    "columns-within-a-line.csv": columns_within_a_line,
    "one-line.csv": one_line,
    "one-row.csv": one_row_of_many_lines,
    "open-quote.csv": open_quote,
    "blank-lines.csv": blank_lines,
    "short-rows.csv": short_rows_of_a_wide_header,
    "zero-bytes.csv": zero_bytes,
    "bomb.csv": bomb_named_csv,
    "bomb.csv.gz": bomb_named_csv,
    "columns.parquet": columns_of_parquet,
    "deep-column.parquet": deep_column,
    "dictionary.parquet": dictionary,
    "giant-cell.parquet": giant_cell,
    "distinct-items.parquet": distinct_items,
    "tiny-row-groups.parquet": tiny_row_groups,
    "metadata.parquet": metadata,
    "no-row-groups.parquet": no_row_groups,
    "claims-2-60-rows.parquet": claims_2_60_rows,
    "page-that-lies.parquet": page_that_lies,
    "damaged-pages.parquet": damaged_pages,
}
