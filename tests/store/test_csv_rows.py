"""Every line of a CSV file is in one row, whatever its quotation marks say, and a bad row takes no other with it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import FileRejected
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import EVENTS, ITEMS, Contract
from common.store.uploads.csv_text import CsvTable, normalise

BOUNDS = Bounds(10_000, 100, 1 << 20, 1 << 30)
HEADER = ("item_id", "category", "brand", "price", "img_url", "title")
Rows = list[tuple[str, ...]]


def read(data: bytes, contract: Contract = ITEMS) -> tuple[CsvTable, Rows]:
    """The table, and its rows as (problem, values)."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "upload"
        source.write_bytes(data)
        table = normalise(source, Path(directory) / "normalised.csv", contract, BOUNDS)
        with table.path.open(encoding="utf-8", newline="") as file:
            return table, [tuple(row[1:]) for row in csv.reader(file)]


def titles(data: bytes) -> list[str]:
    _, rows = read(data)
    assert all(row[0] == "" for row in rows), rows
    return [row[-1] for row in rows]


def one(title: str, item_id: str = "a") -> str:
    return f"{item_id},s,x,1,,{title}"


def items(*rows: str, end: str = "\n") -> bytes:
    return end.join((",".join(HEADER), *rows)).encode() + end.encode()


DIALECTS: dict[str, tuple[bytes, list[str]]] = {
    "doubled": (items(one('"5"" pipe"')), ['5" pipe']),
    "a mark within an unquoted value": (items(one('5" pipe')), ['5" pipe']),
    "backslashes, as MySQL writes": (items(one(r'"5\" pipe, \"new\""'), one("b", "b")), ['5" pipe, "new"', "b"]),
    "backslashes before separators": (items(one(r"red\, blue"), one("b", "b")), ["red, blue", "b"]),
    "nothing in a database": (items(one(r'"a \"b\""'), r"b,s,x,\N,,\N"), ['a "b"', ""]),
    "no quotation": (items(one('"Best" shoes'), one('the "best"', "b")), ['"Best" shoes', 'the "best"']),
    "both ways, as PHP writes": (items(one(r'"say ""hi"""'), one(r'"a \"b\" c"', "b")), ['say "hi"', 'a "b" c']),
    "single marks": (b"'item_id';'title'\n'a';'x;y'\n", ["x;y"]),
    "bars": (b"item_id|title\na|x,y;z\n", ["x,y;z"]),
}


@pytest.mark.parametrize(("data", "expected"), DIALECTS.values(), ids=DIALECTS.keys())
def test_quoting_dialects_are_recognised(data: bytes, expected: list[str]) -> None:
    assert titles(data) == expected


def test_an_open_mark_takes_its_own_row_only() -> None:
    data = items(one("tea", "a"), one('"open', "b"), one("cup", "c"), one('"two\nlines"', "d"), one("pot", "e"))
    table, rows = read(data)
    assert table.rows == 5
    assert [row[0] for row in rows] == ["", "open_quote", "", "", ""]
    assert [row[-1] for row in rows] == ["tea", "", "cup", "two\nlines", "pot"]


def test_an_open_mark_that_a_later_row_closes_takes_its_own_row_only() -> None:
    rows = ['"t",h,2026-01-01,1', 'u,"i,2026-01-01,1', "v,j,2026-01-01,1", 'w,k",2026-01-01,1', "x,l,2026-01-01,1"]
    table, found = read("\n".join(("user_id,item_id,ts,qty", *rows)).encode(), EVENTS)
    assert table.rows == 5
    assert [row[0] for row in found] == ["", "open_quote", "", "", ""]


def test_a_file_of_open_marks_only_is_refused_in_time() -> None:
    with pytest.raises(FileRejected, match="never closed"):
        read(items(one('"tea"'), *(one('"open', f"i{place}") for place in range(5_000))))


SHEET: dict[str, bytes] = {
    "a line names the separator": b"sep=;\r\nitem_id;title\r\na;x\r\n",
    "marks around it": b'"sep=;"\nitem_id;title\na;x\n',
    "two byte order marks": "\ufeff\ufeffitem_id;title\na;x\n".encode(),
    "a mark and the separator": "\ufeffsep=;\nitem_id;title\na;x\n".encode(),
    "blank rows": b"\n;\nitem_id;title\n;\na;x\n;\n \n",
    "blank columns": b"item_id;title;;;\na;x;;;\n",
    "blank columns in some rows": b"item_id;title\na;x;;\n",
    "carriage returns": b"item_id;title\ra;x\r",
}


@pytest.mark.parametrize("data", SHEET.values(), ids=SHEET.keys())
def test_what_spreadsheets_add_is_read_past(data: bytes) -> None:
    table, rows = read(data)
    assert table.header == ("item_id", "title")
    assert rows == [("", "a", "x")]


TEXT = {
    "pl": "Łóżko dębowe, świeca, książka",
    "cs": "Židle dřevěná, stůl, šálek čaje, kuchyň, lžíce",
    "hu": "Őszibarack, fűszer, körte",
    "de": "Größe, Käse für Müller",
    "fr": "Crème brûlée, fenêtre, garçon, à l’ail",
    "bg": "Сирене, кашкавал",
}


UNCLEAR = {"cs": ("iso8859-2",)}
"""Where too few words tell which of two encodings it is."""


@pytest.mark.parametrize("language", TEXT)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "utf-16-le", "cp1250", "cp1251", "cp1252", "iso8859-2", "iso8859-15"]
)
def test_no_text_is_read_in_another_encoding_than_its_own(language: str, encoding: str) -> None:
    words = TEXT[language].split(", ")
    text = items(*(one(word, f"i{place}") for place, word in enumerate(words))).decode()
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        return
    if encoding in UNCLEAR.get(language, ()):
        with pytest.raises(FileRejected, match="save it as CSV UTF-8"):
            read(data)
    else:
        assert titles(data) == words


def test_a_row_in_another_encoding_is_refused_alone() -> None:
    table, rows = read(items(one("Käse"), one("Öl", "b")) + one("B\xe4r", "c").encode("latin-1") + b"\n")
    assert [row[0] for row in rows] == ["", "", "not_utf8"]
    assert table.notices == ()


CELLS = st.text(st.sampled_from('ab";,\t|\\ \nä'), max_size=6)
TABLES = st.lists(st.tuples(*[CELLS] * 3), min_size=1, max_size=5)
Encode = Callable[[Rows], str]


def _doubled(rows: Rows, separator: str, quoting: int) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return out.getvalue()


def _balances(rows: Rows, separator: str, damage: str, place: int) -> None:
    """Whatever is put into the file, its rows are kept or refused, and each line is in one of them."""
    whole = _doubled([("item_id", "title", "colour"), *rows], separator, csv.QUOTE_MINIMAL)
    data = (whole[: 26 + place % len(whole)] + damage + whole[26 + place % len(whole) :]).encode()
    table, found = read(data)
    assert len(found) == table.rows
    assert [row for row in found if len(row) != 1 + len(table.header)] == []


@given(rows=TABLES, separator=st.sampled_from(",;\t|"), quoting=st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
@settings(deadline=None, max_examples=100)
def test_what_a_writer_has_written_is_read(rows: Rows, separator: str, quoting: int) -> None:
    _, found = read(_doubled([("item_id", "title", "colour"), *rows], separator, quoting).encode())
    cut = [tuple(cell.strip() for cell in row) for row in rows]
    assert [row for row in found if row[0]] == []
    assert [row[1:] for row in found] == [row for row in cut if any(row)]


DAMAGE = st.sampled_from(('"', '"\n', '\\"', "\n", "x\ny", '"";"', "'"))


@given(rows=TABLES, separator=st.sampled_from(",;"), damage=DAMAGE, place=st.integers(0, 200))
@settings(deadline=None, max_examples=100)
def test_the_account_balances(rows: Rows, separator: str, damage: str, place: int) -> None:
    _balances(rows, separator, damage, place)


@pytest.mark.slow(lane="intake")
@given(rows=TABLES, separator=st.sampled_from(",;\t|"), damage=DAMAGE, place=st.integers(0, 200))
@settings(deadline=None, max_examples=5_000)
def test_the_account_of_many_files_balances(rows: Rows, separator: str, damage: str, place: int) -> None:
    _balances(rows, separator, damage, place)
