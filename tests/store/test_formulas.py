"""No cell of a CSV that a person may open is a formula, and what is uploaded again reads as it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.schemas.documents import RunRecord
from common.store.uploads.formulas import neutralised, neutralised_sql, restored
from common.usecases.shared.context import Context
from tests.memory import memory_context
from tests.store.shop import ingest, parquet_of, report_of, stored

SIGNS = "=+-@＝＋－＠\t\r\n"
COMMAND = "=cmd|' /C calc'!A0"
TEXTS = st.text(alphabet=st.sampled_from(f"{SIGNS}' ;,\"ab5.\u00a0")) | st.text()
HEADER = ["item_id", "category", "brand", "price", "img_url", "=SUM(1)", "-shelf"]


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    return memory_context(tmp_path)


def is_formula(cell: str) -> bool:
    return cell.lstrip(" \u00a0").startswith(tuple(SIGNS))


@given(text=TEXTS)
@example(text=" \r")
def test_a_text_comes_back_and_is_no_formula_on_its_way(text: str) -> None:
    assert restored(neutralised(text)) == text
    assert not is_formula(neutralised(text))


@given(
    text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    | st.from_regex("['=+-]+5?", fullmatch=True)
)
@settings(deadline=None)
def test_sql_marks_what_python_marks(text: str) -> None:
    statement = f"SELECT {neutralised_sql('text', keep_numbers=False)} FROM (SELECT ? AS text)"
    assert duckdb.execute(statement, [text]).fetchall() == [(neutralised(text),)]


@pytest.mark.parametrize("text", ["plain", "a=b", "5", "'quoted'", "'", "", "O'Neill"])
def test_what_begins_like_no_formula_stays_as_it_is(text: str) -> None:
    assert neutralised(text) == restored(text) == text


def rows_file(ctx: Context, run: RunRecord) -> list[list[str]]:
    key = report_of(ctx, run).rows_file
    assert key is not None
    blob = ctx.bucket.get(key)
    assert blob is not None
    return list(csv.reader(io.StringIO(blob.data.decode())))


def csv_file(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def attributes(ctx: Context) -> dict[str, list[object]]:
    items = stored(ctx).catalogue
    rows = zip(items.item_ids, items.categories, items.brands, items.extra, strict=True)
    return {item_id: [category, brand, extra] for item_id, category, brand, extra in rows}


WRONG = [
    ["+49", COMMAND, "@SUM(A1)", "-5", "", "＝1+1", "'=x"],
    ["b", "-2+3+cmd|x", "'", "-1,5", "", "''+1", "plain"],
]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_refused_rows_hold_no_formula_and_read_rightly_once_corrected(shop: Context, kind: str) -> None:
    columns = {name: [row[place] for row in WRONG] for place, name in enumerate(HEADER)}
    file = csv_file([HEADER, *WRONG]) if kind == "csv" else parquet_of(columns)
    run = ingest(shop, f"items/wrong.{kind}", file)
    header, *rows = rows_file(shop, run)
    assert run.counts["rows_refused"] == len(rows) == 2
    price = header.index("price")
    assert [row[price] for row in rows] == ["-5", "-1,5"]
    numbers = (price, header.index("value"))
    cells = [header, *([cell for place, cell in enumerate(row) if place not in numbers] for row in rows)]
    assert [cell for row in cells for cell in row if is_formula(cell)] == []
    assert header[6:] == HEADER[:5]

    corrected = [[cell.removeprefix("-") if place == price else cell for place, cell in enumerate(row)] for row in rows]
    again = ingest(shop, "items/corrected.csv", csv_file([header, *corrected]))
    assert again.counts["rows_kept"] == 2
    found = attributes(shop)
    assert set(found) == {"+49", "b"}
    assert found["+49"] == [COMMAND, "@SUM(A1)", {}], "columns of its own are not among the refused rows"
    assert found["b"][:2] == ["-2+3+cmd|x", "'"]
