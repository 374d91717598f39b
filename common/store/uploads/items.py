"""The reading of uploads of items: rows are typed and checked in one pass over the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from common.errors import FileRejected
from common.schemas.data import REGULAR_PRICE
from common.store.engine import Connection, literal, number, quoted, timestamp
from common.store.uploads.columns import AVAILABILITY, ITEMS, fold, match
from common.store.uploads.currencies import code_of, currency_beside
from common.store.uploads.decimals import NumberStyle, decimal, decimal_problems, number_style
from common.store.uploads.draft import Draft, ReadOptions, check_account, drafting, write_refused_rows
from common.store.uploads.fields import (
    Field,
    absent,
    availability,
    boolean,
    id_problem,
    identifier,
    matches,
    plain_text,
    shape,
    unreadable,
)
from common.store.uploads.files import Column, Source, Table
from common.store.uploads.reasons import CLOCK_SKEW, EARLIEST
from common.store.uploads.shown_texts import register, shown_address, shown_text
from common.store.uploads.texts import plain_id_sql, trimmed
from common.store.uploads.timestamps import time_field

MAX_TEXT_BYTES: Final = 4096
MAX_OTHER_COLUMNS: Final = 100

_ADDRESS: Final = r"(?i)https?://[^\s\p{Cc}\"<>\\]+"
_CURRENCY: Final = "(?i)[a-z]{3}"
_TOO_LONG: Final = f"longer than {MAX_TEXT_BYTES} bytes"

EMPTIED: Final = {
    "category": _TOO_LONG,
    "brand": _TOO_LONG,
    "title": _TOO_LONG,
    "img_url": "not an http(s) address",
    "url": "not an http(s) address",
    "currency": "not a three-letter code such as EUR",
    "created_at": "not a time up to now",
    "extra": _TOO_LONG,
}
"""Columns with the reason for which a value is left empty. `extra` stands for columns outside the contract."""

_TEXTS: Final = ("category", "brand", "title", "img_url", "url", "currency")
_ADDRESSES: Final = ("img_url", "url")
_PRICES: Final = ("price", REGULAR_PRICE)
_OWN_NAMES: Final = {"row", "code", "column", "problem", "remedy", "value"}

Fields = dict[str, Field]


@dataclass(frozen=True)
class Columns:
    """The columns of an upload: those of the contract by name, and the others."""

    found: dict[str, Column]
    others: tuple[Column, ...]

    @classmethod
    def of(cls, table: Table, places: dict[str, int]) -> Columns:
        """Raises `FileRejected` if there are more than `MAX_OTHER_COLUMNS` other columns."""
        others = tuple(column for place, column in enumerate(table.columns) if place not in places.values())
        if {fold(column.name) for column in others} >= _OWN_NAMES:  # rows of the quarantine, corrected
            others = tuple(column for column in others if fold(column.name) not in _OWN_NAMES)
        if len(others) > MAX_OTHER_COLUMNS:
            raise FileRejected(f"the file has {len(others)} columns of its own; the most is {MAX_OTHER_COLUMNS}")
        return cls({name: table.columns[place] for name, place in places.items()}, others)


def item_fields(connection: Connection, table: Table, columns: Columns, zone: str) -> Fields:
    """Returns the fields of all columns of the contract. Missing columns are empty; a missing `available` is true."""
    fields = {name: absent(name, "''") for name in _TEXTS}
    fields |= {"available": absent("available", "true"), "created_at": absent("created_at", "NULL::TIMESTAMP")}
    fields |= {REGULAR_PRICE: absent(REGULAR_PRICE, "NULL::DOUBLE")}
    prices = [columns.found[name] for name in _PRICES if name in columns.found]
    style = number_style(connection, table, prices)
    for name, column in columns.found.items():
        if name != AVAILABILITY:
            fields[name] = _field(name, column, style, zone)
        elif "available" not in columns.found:
            fields["available"] = availability("available", column.raw, column.kind)
    return fields


def _field(name: str, column: Column, style: NumberStyle, zone: str) -> Field:
    if name == "item_id":
        return identifier(name, column.raw, column.kind)
    if name in _PRICES:
        return decimal(name, column.raw, column.kind, style)
    if name == "available":
        return boolean(name, column.raw, column.kind)
    if name == "created_at":
        return time_field(name, column.raw, column.kind, zone)
    field = plain_text(name, column.raw)
    if name == "currency":
        return field
    shown = shown_address if name in _ADDRESSES else shown_text
    return replace(field, value=f"coalesce({shown(f'{column.raw}::VARCHAR')}, '')")


def parsed_items(table: Table, columns: Columns, fields: Fields, now: datetime) -> str:
    """SQL of the rows: `row`, the columns of `items`, `<column>_emptied` for each of `EMPTIED`, and `problem`."""
    typed = ", ".join(field.select() for field in fields.values())
    inner = (
        f"SELECT {table.row} AS row, {table.problem} AS row_problem, {typed}, "
        f"{id_problem('item_id', plain_id_sql(fields['item_id'].value))} AS item_id_problem, "
        f"{_currency(columns, 'price')} AS price_currency, "
        f"{_extra(columns, fields[REGULAR_PRICE])} AS extra, "
        f"{_any_too_long(columns.others)} AS extra_emptied FROM {table.relation}"
    )
    flags = ", ".join(f"{condition} AS {name}_emptied" for name, condition in _unusable(now).items())
    usable = {name: _CURRENCY_KEPT if name == "currency" else name for name in _TEXTS}
    emptied = ", ".join(
        f"CASE WHEN {name}_emptied THEN '' ELSE {value} END AS {name}" for name, value in usable.items()
    )
    created_at = "CASE WHEN created_at_emptied THEN NULL ELSE created_at END AS created_at"
    available = "CASE WHEN available_given THEN available ELSE true END AS available"
    return (
        f"SELECT * REPLACE ({emptied}, {created_at}, {available}, {plain_id_sql('item_id')} AS item_id), "
        f"{_refusal_code(fields)} AS problem "
        f"FROM (SELECT *, {flags} FROM ({inner}))"
    )


def refused_items(table: Table, columns: Columns, parsed: str) -> str:
    """SQL of the refused rows with their columns of the contract, for correction.

    Others are left out: nobody knows what stands in them, and a file may be another one than its sender meant."""
    shapes = " ".join(
        f"WHEN starts_with(problem, '{name}_') THEN {shape(name + '_text')}" for name in (*_PRICES, "available")
    )
    negative = " ".join(f"WHEN problem = '{name}_negative' THEN {name}::VARCHAR" for name in _PRICES)
    value = f"CASE {negative} {shapes} END"
    refused = f"SELECT row, problem AS code, {value} AS value FROM ({parsed}) WHERE problem IS NOT NULL"
    originals = ", ".join(f"{column.raw} AS {quoted(column.name)}" for column in columns.found.values())
    return (
        f"SELECT refused.*, {originals} FROM {table.relation} JOIN ({refused}) AS refused ON refused.row = {table.row}"
    )


def _unusable(now: datetime) -> dict[str, str]:
    """The SQL conditions under which a value is left empty, by column of the contract."""
    too_long = {name: f"strlen({name}) > {MAX_TEXT_BYTES}" for name in ("category", "brand", "title")}
    wrong_form = {
        name: f"({name} <> '' AND NOT {matches(name, form)})"
        for name, form in (("img_url", _ADDRESS), ("url", _ADDRESS))
    }
    wrong_form["currency"] = f"({_CURRENCY_KEPT} NOT IN ('') AND NOT {matches(_CURRENCY_KEPT, _CURRENCY)})"
    past = f"created_at BETWEEN {timestamp(EARLIEST)} AND {timestamp(now + CLOCK_SKEW)}"
    return too_long | wrong_form | {"created_at": f"(created_at_given AND NOT coalesce({past}, false))"}


_CURRENCY_KEPT: Final = f"CASE WHEN price_currency <> '' THEN price_currency ELSE {code_of('currency')} END"


def _currency(columns: Columns, name: str) -> str:
    """SQL of the currency that stands beside the price in this column."""
    column = columns.found.get(name)
    beside = currency_beside(trimmed(column.raw)) if column and column.kind == "VARCHAR" else "''"
    return f"coalesce({beside}, '')"


def _extra(columns: Columns, regular_price: Field) -> str:
    """SQL of a JSON object as text: the other columns without empty and too long values, and the regular price, unless
    it has another currency than the price."""
    members = [f"{literal(fold(column.name))}, {_own_value(column)}" for column in columns.others]
    if not regular_price.is_absent:
        own, other = _currency(columns, REGULAR_PRICE), _currency(columns, "price")
        comparable = f"{own} IN ('', {other}) OR {other} = ''"
        members.append(f"{literal(REGULAR_PRICE)}, CASE WHEN {comparable} THEN ({regular_price.value})::VARCHAR END")
    return f"json_merge_patch('{{}}', json_object({', '.join(members)}))::VARCHAR" if members else "'{}'"


def _own_value(column: Column) -> str:
    text = shown_text(f"{column.raw}::VARCHAR")
    return f"CASE WHEN {text} <> '' AND strlen({text}) <= {MAX_TEXT_BYTES} THEN {text} END"


def _any_too_long(others: tuple[Column, ...]) -> str:
    lengths = [f"coalesce(strlen({column.raw}::VARCHAR), 0)" for column in others]
    return f"greatest({', '.join(lengths)}) > {MAX_TEXT_BYTES}" if lengths else "false"


def _refusal_code(fields: Fields) -> str:
    branches = (
        "WHEN row_problem <> '' THEN row_problem",
        "WHEN NOT item_id_given THEN 'item_id_empty' WHEN item_id IS NULL THEN 'item_id_not_whole'",
        "WHEN item_id_problem IS NOT NULL THEN item_id_problem",
        decimal_problems(fields["price"]),
        "WHEN price < 0 THEN 'price_negative'",
        decimal_problems(fields[REGULAR_PRICE]),
        "WHEN regular_price < 0 THEN 'regular_price_negative'",
        unreadable(fields["available"], "available_unreadable"),
    )
    return f"CASE {' '.join(branches)} END"


ITEM_COLUMNS: Final = "item_id, category, brand, price, img_url, title, url, currency, available, created_at, extra"


def read_items(source: Source, work: Path, options: ReadOptions) -> Draft:
    """Reads `source` into a draft in `work`. Raises `FileRejected` if the file cannot be read.

    Good rows go into `scratch.parsed`. `settle_items` sorts them later, with a connection that may spill to the disk.
    """
    with drafting(source, work, options.memory_bytes) as (connection, table):
        register(connection)
        columns = Columns.of(table, match([column.name for column in table.columns], ITEMS))
        rows = parsed_items(table, columns, item_fields(connection, table, columns, options.timezone), options.now)
        flags = ", ".join(f"{name}_emptied" for name in EMPTIED)
        good = f"SELECT row, {ITEM_COLUMNS}, {flags} FROM ({rows}) WHERE problem IS NULL"
        kept = number(connection, f"CREATE TABLE scratch.parsed AS {good}")
        refused = write_refused_rows(connection, refused_items(table, columns, rows)) if kept < table.rows else 0
        check_account(table, kept, refused)
    return Draft(work / "draft.duckdb", work / "scratch.duckdb", kept + refused, refused, notices=source.notices)
