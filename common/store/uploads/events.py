"""The reading of uploads of events: rows are typed, checked and pseudonymised in one pass over the file."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from secrets import token_bytes
from typing import Final

from common.schemas.data import EVENT_TYPES, EventType
from common.store.engine import Connection, number
from common.store.segments.segment import EVENT_COLUMNS
from common.store.uploads.columns import EVENTS, match
from common.store.uploads.decimals import NumberStyle, decimal, decimal_problems, number_style
from common.store.uploads.draft import Draft, ReadOptions, check_account, drafting, write_refused_rows
from common.store.uploads.fields import Field, absent, boolean, event_type, identifier, matches, shape, unreadable
from common.store.uploads.files import Column, Source, Table
from common.store.uploads.places import PLACE, place_of
from common.store.uploads.pseudonyms import keyed_hash, number_ids, set_secret, write_users
from common.store.uploads.reasons import MAX_ID_BYTES
from common.store.uploads.texts import SCIENTIFIC, plain_id_sql, trimmed
from common.store.uploads.timestamps import time_field, time_problems

Fields = dict[str, Field]

_ABSENT: Final = {
    "event_type": f"{EVENT_TYPES.index(EventType.PURCHASE)}::UTINYINT",
    "consent": "true",
    "price": "NULL::DOUBLE",
    "order_id": "NULL::VARCHAR",
    "session_id": "NULL::VARCHAR",
}
_NUMBERED: Final = (("user_id", "user_no"), ("item_id", "item_no"))
_TYPED: Final = ("ts", "qty", "event_type", "consent", "price")
_KEYED: Final = (("order_id", "order_key", "orders"), ("session_id", "session_key", "sessions"))


def event_fields(connection: Connection, table: Table, found: dict[str, Column], zone: str) -> Fields:
    """Returns the fields of all columns of the contract. Columns that the file does not have get their defaults.
    `zone` is that of times without one."""
    fields = {name: absent(name, default) for name, default in _ABSENT.items()}
    style = number_style(connection, table, [found[name] for name in ("qty", "price") if name in found])
    for name, column in found.items():
        fields[name] = _field(name, column, style, zone)
    return fields


def _field(name: str, column: Column, style: NumberStyle, zone: str) -> Field:
    if name == "ts":
        return time_field(name, column.raw, column.kind, zone)
    if name == "qty":
        return _pieces(decimal(name, column.raw, column.kind, style))
    if name == "price":
        return decimal(name, column.raw, column.kind, style)
    if name == "event_type":
        return event_type(name, column.raw, column.kind)
    if name == "consent":
        return boolean(name, column.raw, column.kind)
    return identifier(name, column.raw, column.kind)


def _pieces(field: Field) -> Field:
    """The quantity, of which a part of a piece, as of goods by weight, is one purchase."""
    return replace(field, value=f"CASE WHEN {field.value} > 0 THEN greatest({field.value}, 1) ELSE {field.value} END")


def parsed_events(table: Table, fields: Fields, now: datetime, secrets: str = "") -> str:
    """SQL of the rows: `row`, the columns of `events`, `consent`, and `problem`, which is NULL for a good row.

    It needs the tables of `pseudonyms.number_ids`. `secrets` is a prefix of the names of the variables with the secrets
    for order and session keys.
    """
    ids = ", ".join(
        f"{name}s.{no}, {name}s.problem AS {name}_problem, {fields[name].text} IS NOT NULL AS {name}_given"
        for name, no in _NUMBERED
    )
    typed = ", ".join(fields[name].select() for name in _TYPED)
    # What is joined within one upload only is not joined with others that are read beside it.
    apart = f"{place_of(table.row)} || '/' || " if table.several and secrets else ""
    keyed = ", ".join(_keyed(fields[name], key, secrets + secret, apart) for name, key, secret in _KEYED)
    joins = " ".join(f"LEFT JOIN {name}s ON {name}s.{name} = {fields[name].value}" for name, _ in _NUMBERED)
    values = f"{table.row} AS row, {table.problem} AS row_problem, {ids}, {typed}, {keyed}"
    return f"SELECT *, {_refusal_code(fields, now)} AS problem FROM (SELECT {values} FROM {table.relation} {joins})"


def refused_events(parsed: str) -> str:
    """SQL of the refused rows of `parsed_events`, without data that can identify a person.

    Ids, other columns, and values in a wrong column can identify a person. So of an unreadable value only the shape is
    kept, and of the rest only numbers and times.
    """
    shown = " ".join(
        f"WHEN problem IN ({codes}) THEN {value}"
        for codes, value in (
            ("'ts_in_future', 'ts_too_old'", "ts::VARCHAR"),
            ("'qty_below_one'", "qty::VARCHAR"),
            ("'price_negative'", "price::VARCHAR"),
        )
    )
    shapes = " ".join(f"WHEN starts_with(problem, '{name}_') THEN {shape(name + '_text')}" for name in _TYPED)
    return f"SELECT row, problem AS code, CASE {shown} {shapes} END AS value FROM ({parsed}) WHERE problem IS NOT NULL"


def _keyed(field: Field, key: str, secret: str, apart: str) -> str:
    if field.is_absent:
        return f"NULL::UBIGINT AS {key}"
    name, value = field.column, field.value
    # A text that begins with a letter is no number, and one without an e has all its digits: a look at letters takes a
    # third of the time of a pattern.
    may_be = f"{value} < ':' AND (contains({value}, 'e') OR contains({value}, 'E'))"
    lost = f"CASE WHEN {may_be} THEN {matches(trimmed(value), SCIENTIFIC)} ELSE false END"
    columns = {
        key: f"CASE WHEN {field.given} THEN {keyed_hash(secret, apart + plain_id_sql(value))} END",
        f"{name}_given": field.given,
        f"{name}_bytes": f"strlen({value})",
        f"{name}_lost": lost,
    }
    return ", ".join(f"{sql} AS {column}" for column, sql in columns.items())


def _refusal_code(fields: Fields, now: datetime) -> str:
    branches = (
        "WHEN row_problem <> '' THEN row_problem",
        _id_problems("user_id", "user_no"),
        _id_problems("item_id", "item_no"),
        time_problems(fields["ts"], now),
        "WHEN NOT qty_given THEN 'qty_empty'",
        decimal_problems(fields["qty"]),
        "WHEN qty < 1 THEN 'qty_below_one'",
        unreadable(fields["event_type"], "event_type_unknown"),
        unreadable(fields["consent"], "consent_unreadable"),
        decimal_problems(fields["price"]),
        "WHEN price < 0 THEN 'price_negative'",
        _key_problems(fields["order_id"]),
        _key_problems(fields["session_id"]),
    )
    return f"CASE {' '.join(branches)} END"


def _id_problems(column: str, no: str) -> str:
    """SQL of the branches for problems with an id. Problems of the id's text are in the table of ids."""
    return (
        f"WHEN NOT {column}_given THEN '{column}_empty' WHEN {no} IS NULL THEN '{column}_not_whole' "
        f"WHEN {column}_problem IS NOT NULL THEN {column}_problem"
    )


def _key_problems(field: Field) -> str:
    """SQL of the branches for problems with an id that is only hashed, so that it may have any characters."""
    if field.is_absent:
        return ""
    return (
        f"WHEN {field.column}_given AND {field.column}_bytes IS NULL THEN '{field.column}_not_whole' "
        f"WHEN {field.column}_bytes > {MAX_ID_BYTES} THEN '{field.column}_too_long' "
        f"WHEN {field.column}_lost THEN '{field.column}_scientific'"
    )


_COLUMNS: Final = ", ".join(EVENT_COLUMNS)
_FORGOTTEN: Final = "forgotten_"


def read_events(source: Source, work: Path, options: ReadOptions) -> Draft:
    """Reads `source` into a draft in `work`. Raises `FileRejected` if the file cannot be read.

    Events with consent go into the draft's segment. Events without consent go into `scratch.unattributed`, and
    `settle.settle_events` moves them to the segment later.
    """
    with drafting(source, work, options.memory_bytes) as (connection, table):
        names = [column.name for column in table.columns]
        found = {name: table.columns[place] for name, place in match(names, EVENTS).items()}
        fields = event_fields(connection, table, found, options.timezone)
        _prepare(connection, table, fields, options)
        kept = _insert(connection, table, fields, options)
        unattributed = _set_aside(connection, table, fields, options) if "consent" in found else 0
        kept += unattributed
        refused = 0
        if kept < table.rows:
            refused = write_refused_rows(connection, refused_events(parsed_events(table, fields, options.now)))
        check_account(table, kept, refused)
        write_users(connection, options.pseudonymizer, everybody=not (refused or unattributed))
        connection.execute(
            "INSERT INTO draft.item_ids SELECT item_no, plain FROM item_ids WHERE is_first AND problem IS NULL"
        )
    unused = [name for position, name in enumerate(names) if table.columns[position] not in found.values()]
    notices = (*source.notices, *([_unused(unused)] if unused else []))
    return Draft(work / "draft.duckdb", work / "scratch.duckdb", kept + refused, refused, unattributed, notices)


def _prepare(connection: Connection, table: Table, fields: Fields, options: ReadOptions) -> None:
    number_ids(connection, table, fields["user_id"], "user_no")
    number_ids(connection, table, fields["item_id"], "item_no")
    for purpose in ("orders", "sessions"):
        set_secret(connection, purpose, options.pseudonymizer.derived_key(purpose))
        set_secret(connection, _FORGOTTEN + purpose, token_bytes(32))


def _insert(connection: Connection, table: Table, fields: Fields, options: ReadOptions) -> int:
    rows = parsed_events(table, fields, options.now)
    good = f"SELECT {_COLUMNS}, {_seq(table)} FROM ({rows}) WHERE problem IS NULL AND consent"
    return number(connection, f"INSERT INTO draft.events ({_COLUMNS}, seq) {good}")


def _seq(table: Table) -> str:
    """SQL of `seq` in a draft: NULL, and the place of a row's upload where there are several."""
    return PLACE if table.several else "NULL::BIGINT"


def _set_aside(connection: Connection, table: Table, fields: Fields, options: ReadOptions) -> int:
    """Stores events without consent in `scratch.unattributed` and returns their number. An empty field is no consent.

    Their order and session keys are made with secrets that are not kept. So the keys join the lines of one order in
    this upload, and cannot be linked to anything else."""
    rows = parsed_events(table, fields, options.now, _FORGOTTEN)
    good = (
        f"SELECT {_COLUMNS}, {_seq(table)} AS seq, NOT consent_given AS empty FROM ({rows}) "
        "WHERE problem IS NULL AND (NOT consent OR NOT consent_given)"
    )
    return number(connection, f"CREATE TABLE scratch.unattributed AS {good}")


def _unused(names: list[str]) -> str:
    return f"columns that were not read, and of which nothing is kept: {len(names)}"
