"""The reading of times in the forms that shops export."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from common.store.engine import literal, timestamp
from common.store.uploads.fields import FLOATING, NEVER, WHOLE, Field, given, matches, wrong_type
from common.store.uploads.reasons import CLOCK_SKEW, EARLIEST, TS_FORMS
from common.store.uploads.texts import trimmed

UTC_ZONE: Final = "UTC"

# Accepted epoch numbers from 1973 to 5138: seconds, and three finer units. Smaller ones may be dates such as 20261123
# or day numbers of a spreadsheet such as 46349; these are refused as ambiguous.
_SECONDS: Final = (100_000_000, 100_000_000_000)
_FINER: Final = (1_000, 1_000_000, 1_000_000_000)

_NUMBER: Final = r"[0-9]+(\.[0-9]*)?"
_ISO: Final = "[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}([T ].*)?"
_BASIC: Final = "([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})(Z|[+-][0-9]{2}:?[0-9]{2})?"
_LOCAL_DATE: Final = r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}([T ,].*)?"
# The form of e-mails and feeds: Fri, 20 Nov 2026 10:14:02 +0100.
_MAIL: Final = (
    "([A-Za-z]{3}, *)?([0-9]{1,2} [A-Za-z]{3} [0-9]{4} [0-9]{2}:[0-9]{2})(:[0-9]{2})? (UTC|GMT|Z|[+-][0-9]{4})"
)
_ZONE: Final = "(?i)(Z|UTC|GMT|:[0-9.,]+ ?[+-][0-9]{2}:?([0-9]{2})?)$"
_GAP_OR_COLONLESS: Final = "(:[0-9]{2}([.,][0-9]+)?) ?([+-][0-9]{2}):?([0-9]{2})$"
_WORD_OF_UTC: Final = "(?i) *(UTC|GMT)$"
_COMMA: Final = "(:[0-9]{2}),([0-9]+)"


def time_field(column: str, raw: str, kind: str, zone: str) -> Field:
    """Returns a time's field, as TIMESTAMP in UTC. A time without a zone is one of the clocks of `zone`."""
    is_given, text = given(raw, kind), f"{raw}::VARCHAR"
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"):
        return Field(column, f"{raw}::TIMESTAMP WITH TIME ZONE::TIMESTAMP", is_given, text=text)
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return Field(column, _in_utc(f"{raw}::TIMESTAMP", zone), is_given, text=text)
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
    value = f"CASE WHEN {matches(written, _ISO)} THEN {_iso(written, zone)} WHEN {is_number} THEN {epoch} "
    value += f"WHEN {matches(written, _BASIC)} THEN {_iso(_extended(written), zone)} "
    value += f"WHEN {matches(written, _MAIL)} THEN {_mail(written)} END"
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


def _in_utc(local: str, zone: str) -> str:
    """SQL of the moment in UTC at which the clocks of `zone` show the SQL timestamp `local`.

    Of an hour that clocks show twice the second is meant, in winter time; a time that they leave out is read as the
    time an hour later."""
    return local if zone == UTC_ZONE else f"timezone({literal(zone)}, {local})::TIMESTAMP"


def _iso(text: str, zone: str) -> str:
    plain = f"regexp_replace({text}, {literal(_WORD_OF_UTC)}, 'Z')"
    plain = f"regexp_replace({plain}, {literal(_GAP_OR_COLONLESS)}, '\\1\\3:\\4')"
    plain = f"regexp_replace({plain}, {literal(_COMMA)}, '\\1.\\2')"
    odd = (
        f"CASE WHEN regexp_matches({text}, {literal('[, ][0-9]*[A-Za-z+-]|[0-9]{4}$|,')}) THEN {plain} ELSE {text} END"
    )
    with_zone = f"try_cast({odd} AS TIMESTAMP WITH TIME ZONE)::TIMESTAMP"
    if zone == UTC_ZONE:
        return with_zone
    has_zone = f"regexp_matches({text}, {literal(_ZONE)})"
    return f"CASE WHEN {has_zone} THEN {with_zone} ELSE {_in_utc(f'try_cast({odd} AS TIMESTAMP)', zone)} END"


def _extended(text: str) -> str:
    return f"regexp_replace({text}, {literal(_BASIC)}, '\\1-\\2-\\3T\\4:\\5:\\6\\7')"


def _mail(text: str) -> str:
    plain = f"regexp_replace(regexp_replace({text}, '^[A-Za-z]{{3}}, *', ''), ' (UTC|GMT|Z)$', ' +0000')"
    short, long = ("%d %b %Y %H:%M %z", "%d %b %Y %H:%M:%S %z")
    return f"timezone('UTC', try_strptime({plain}, ['{long}', '{short}']))"


def _epoch(raw: str, kind: str) -> str:
    # DuckDB may compute a branch for rows of another one, so that none of them may fail: HUGEINT does not overflow.
    raw = f"{raw}::HUGEINT" if kind in WHOLE else raw
    low, high = _SECONDS
    units = [f"WHEN {raw} >= {low} AND {raw} < {high} THEN {raw} * 1000000"]
    for unit in _FINER:
        micros = f"{raw} * {1_000_000 // unit}" if unit <= 1_000_000 else f"{raw} / {unit // 1_000_000}"
        units.append(f"WHEN {raw} >= {low * unit} AND {raw} < {high * unit} THEN {micros}")
    return f"make_timestamp(try_cast(CASE {' '.join(units)} END AS BIGINT))"
