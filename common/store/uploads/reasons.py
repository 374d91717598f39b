"""The reasons for which rows are refused: stable codes, with the problem and the remedy for an admin.

`_refusal_code` of `events.py` and of `items.py` decides which reason a row has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

MAX_ID_BYTES: Final = 256

# The most by which an event may be ahead of this machine's clock. Clocks without synchronisation differ by minutes; a
# difference of an hour or more is a local time without its zone.
CLOCK_SKEW: Final = timedelta(minutes=10)

# No web shop is older. An earlier time is a number in the wrong unit, or an empty date.
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)

TS_FORMS: Final = (
    "a timestamp or ISO text such as 2026-11-23T18:15:00+01:00, without a zone in that of RECSYS_TIMEZONE, a date, or "
    "epoch seconds, milliseconds or microseconds"
)
NUMBER_FORMS: Final = "a number such as 1234.50 or 1234,50, with or without a currency such as EUR or €"
BOOL_FORMS: Final = "true or false, yes or no, 1 or 0"


@dataclass(frozen=True)
class RefusalReason:
    """A reason. `column` is the column of the contract, empty if the row as a whole is wrong."""

    code: str
    column: str
    problem: str
    remedy: str


def _id_reasons(column: str) -> Iterable[RefusalReason]:
    yield RefusalReason(f"{column}_empty", column, f"{column} is empty", "give every row its id, or leave the row out")
    yield RefusalReason(
        f"{column}_control_characters",
        column,
        f"{column} holds a line break or another control character",
        "remove the character where the id is made; it must be the same in events, items and requests",
    )
    yield from _key_reasons(column)


def _key_reasons(column: str) -> Iterable[RefusalReason]:
    yield RefusalReason(
        f"{column}_too_long",
        column,
        f"{column} is longer than {MAX_ID_BYTES} bytes",
        "check that the column holds ids and no text",
    )
    yield RefusalReason(
        f"{column}_scientific",
        column,
        f"{column} is a number in scientific notation, such as 4.00638E+12: its last digits are lost",
        "format the column as text in the spreadsheet, or export it from the shop as text, before the file is saved",
    )
    yield RefusalReason(
        f"{column}_not_whole",
        column,
        f"{column} is a number with decimals",
        "export the column as text or as whole numbers",
    )


def _number_reasons(column: str) -> Iterable[RefusalReason]:
    yield RefusalReason(f"{column}_not_a_number", column, f"{column} is not a number", f"write {NUMBER_FORMS}")
    yield RefusalReason(
        f"{column}_ambiguous",
        column,
        f"{column} can be read in two ways: 1,234 and 1.234 may be 1234 or 1.234",
        "write a dot before decimals and no separator of thousands",
    )


_ALL: Final = (
    RefusalReason(
        "wrong_number_of_fields",
        "",
        "the row has more or fewer fields than the header",
        "put quotation marks around values that hold the separator or a line break",
    ),
    RefusalReason(
        "not_utf8",
        "",
        "the row holds bytes that are no text in the encoding of the file",
        "export the whole file in one encoding, best as UTF-8",
    ),
    RefusalReason(
        "broken_quotes",
        "",
        "a quotation mark stands within a quoted value",
        "double quotation marks that belong to a value",
    ),
    RefusalReason(
        "open_quote",
        "",
        "a quotation mark is opened in this row and not closed",
        "double quotation marks that belong to a value, or leave them out",
    ),
    *_id_reasons("user_id"),
    RefusalReason(
        "user_erased",
        "user_id",
        "the person was erased after this event",
        "leave the person out of exports of old events; newer events are taken in. "
        "`recsys erase --forget-tombstone` lets old ones in again",
    ),
    *_id_reasons("item_id"),
    RefusalReason("ts_empty", "ts", "ts is empty", "give every event its time"),
    RefusalReason("ts_unreadable", "ts", "ts is not a time", f"write {TS_FORMS}"),
    RefusalReason(
        "ts_ambiguous",
        "ts",
        "ts can be read in more than one way (day or month first, or a number in an unknown unit)",
        f"write {TS_FORMS}",
    ),
    RefusalReason(
        "ts_in_future",
        "ts",
        f"ts is more than {CLOCK_SKEW.seconds // 60} minutes in the future",
        "a shop that writes local time without a zone is hours ahead: set RECSYS_TIMEZONE to its zone, such as "
        "Europe/Berlin, or add the zone (…+01:00)",
    ),
    RefusalReason("ts_too_old", "ts", f"ts is before {EARLIEST.year}", f"write {TS_FORMS}"),
    RefusalReason("qty_empty", "qty", "qty is empty", "write 1 where the shop does not count pieces"),
    *_number_reasons("qty"),
    RefusalReason(
        "qty_below_one",
        "qty",
        "qty is 0 or less",
        "for a return or cancellation write event_type return and the number of pieces; leave other such rows out",
    ),
    RefusalReason(
        "event_type_unknown",
        "event_type",
        "event_type is none of purchase, view, cart, return",
        "write one of these, or leave the field empty for a purchase",
    ),
    RefusalReason("consent_unreadable", "consent", "consent is neither yes nor no", f"write {BOOL_FORMS}"),
    *_key_reasons("order_id"),
    *_key_reasons("session_id"),
    *_number_reasons("price"),
    RefusalReason("price_negative", "price", "price is negative", "write the price of a piece, 0 or more"),
    *_number_reasons("regular_price"),
    RefusalReason(
        "regular_price_negative",
        "regular_price",
        "regular_price is negative",
        "write what a piece costs when it is not on sale, or leave the field empty",
    ),
    RefusalReason("available_unreadable", "available", "available is neither yes nor no", f"write {BOOL_FORMS}"),
)

REASONS: Final[Mapping[str, RefusalReason]] = MappingProxyType({reason.code: reason for reason in _ALL})
