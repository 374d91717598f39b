"""The reading of times in the forms that shops export."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from common.store.engine import timestamp
from common.store.uploads.fields import FLOATING, NEVER, WHOLE, Field, given, matches, wrong_type
from common.store.uploads.reasons import CLOCK_SKEW, EARLIEST, TS_FORMS
from common.store.uploads.texts import trimmed

# Accepted epoch numbers: seconds and milliseconds from 1973 to 5138. Smaller numbers may be dates such as 20261123 or
# day numbers of a spreadsheet such as 46349, larger ones microseconds; these are refused as ambiguous.
_SECONDS: Final = (100_000_000, 100_000_000_000)
_MILLISECONDS: Final = (100_000_000_000, 100_000_000_000_000)

_NUMBER: Final = r"[0-9]+(\.[0-9]*)?"
_ISO: Final = "[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([T ].*)?"
_LOCAL_DATE: Final = r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}([T ,].*)?"


def time_field(column: str, raw: str, kind: str) -> Field:
    """Returns a time's field, as TIMESTAMP in UTC."""
    is_given, text = given(raw, kind), f"{raw}::VARCHAR"
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        return Field(column, f"{raw}::TIMESTAMP WITH TIME ZONE::TIMESTAMP", is_given, text=text)
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return Field(column, f"{raw}::TIMESTAMP", is_given, text=text)
    if kind.startswith("DECIMAL"):
        raw, kind = f"{raw}::DOUBLE", "DOUBLE"
    if kind in WHOLE | FLOATING:
        value = _epoch(raw, kind)
        return Field(column, value, is_given, f"{is_given} AND {value} IS NULL", text)
    if kind != "VARCHAR":
        raise wrong_type(column, kind, TS_FORMS)
    written = trimmed(raw)
    is_number = matches(written, _NUMBER)
    epoch = _epoch(f"try_cast({written} AS DOUBLE)", "DOUBLE")
    iso = f"try_cast({written} AS TIMESTAMP WITH TIME ZONE)::TIMESTAMP"
    value = f"CASE WHEN {matches(written, _ISO)} THEN {iso} WHEN {is_number} THEN {epoch} END"
    ambiguous = f"CASE WHEN {is_number} THEN {epoch} IS NULL ELSE {matches(written, _LOCAL_DATE)} END"
    return Field(column, value, is_given, ambiguous, text)


def time_problems(field: Field, now: datetime) -> str:
    """SQL of the branches of a CASE over parsed rows that give a time's problem."""
    column, latest, earliest = field.column, timestamp(now + CLOCK_SKEW), timestamp(EARLIEST)
    ambiguous = "" if field.ambiguous == NEVER else f"WHEN {column}_ambiguous THEN '{column}_ambiguous' "
    return (
        f"WHEN NOT {column}_given THEN '{column}_empty' {ambiguous}"
        f"WHEN {column} IS NULL THEN '{column}_unreadable' WHEN {column} > {latest} THEN '{column}_in_future' "
        f"WHEN {column} < {earliest} THEN '{column}_too_old'"
    )


def _epoch(raw: str, kind: str) -> str:
    seconds = f"make_timestamp(({raw} * 1000000)::BIGINT)"
    milliseconds = f"make_timestamp(({raw} * 1000)::BIGINT)"
    if kind in WHOLE:
        raw = f"try_cast({raw} AS BIGINT)"
        seconds, milliseconds = f"make_timestamp({raw} * 1000000)", f"make_timestamp({raw} * 1000)"
    return (
        f"CASE WHEN {raw} >= {_SECONDS[0]} AND {raw} < {_SECONDS[1]} THEN {seconds} "
        f"WHEN {raw} >= {_MILLISECONDS[0]} AND {raw} < {_MILLISECONDS[1]} THEN {milliseconds} END"
    )
