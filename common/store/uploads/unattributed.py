"""Events without consent: they count for popularity and co-purchases, and belong to no person.

While an upload is read, a person still has a number, which separates equal rows of two people and joins the lines of
one order. This module removes the number: the rows in the segment have no person, and order keys that are valid within
the upload only.
"""

from __future__ import annotations

from datetime import datetime
from secrets import token_bytes
from typing import Final

from common.store.engine import Connection, number, timestamp
from common.store.orders import ORDER_GAP
from common.store.segments.segment import EVENT_COLUMNS
from common.store.uploads.places import PLACE
from common.store.uploads.pseudonyms import keyed_hash, set_secret

_COLUMNS: Final = ", ".join(EVENT_COLUMNS)
_MOST_AHEAD_S: Final = 14 * 3_600
"""No zone is further ahead of UTC."""


def add_unattributed(connection: Connection) -> int:
    """Moves `scratch.unattributed` into `draft.events`. Returns the number of repeated rows.

    Rows are inserted by time, so that their order does not reveal which belong to one person.
    """
    rows = number(connection, "SELECT count(*) FROM scratch.unattributed")
    set_secret(connection, "visits", token_bytes(32))
    visit = keyed_hash("visits", "concat(seq, '/', user_no, '/', visit)")
    connection.execute(
        f"INSERT INTO draft.events BY NAME SELECT * EXCLUDE (user_no, visit) REPLACE "
        f"(coalesce(order_key, {visit}) AS order_key) FROM ({_VISITS}) ORDER BY ts"
    )
    kept = number(connection, "SELECT count(*) FROM draft.events WHERE user_no IS NULL")
    return rows - kept


def empty_consents(connection: Connection) -> dict[int, str]:
    """A notice of the rows of `scratch.unattributed` with an empty consent, by the place of their upload."""
    found = connection.execute(
        "SELECT coalesce(seq, 0), count(*) FROM scratch.unattributed WHERE empty GROUP BY 1"
    ).fetchall()
    return {place: f"rows with an empty consent: {rows}. They count without a person" for place, rows in found}


def hours_ahead(connection: Connection, now: datetime) -> dict[int, str]:
    """A notice of refused rows whose times are ahead by hours, as local times without a zone are, by the place of their
    upload. `scratch.refused` is there."""
    ahead = f"max(epoch(try_cast(value AS TIMESTAMP)) - epoch({timestamp(now)}))"
    found = connection.execute(
        f"SELECT {PLACE}, count(*), {ahead} FROM scratch.refused WHERE code = 'ts_in_future' GROUP BY 1"
    ).fetchall()
    return {place: _ahead(rows, -(-seconds // 3600)) for place, rows, seconds in found if seconds <= _MOST_AHEAD_S}


def _ahead(rows: int, hours: float) -> str:
    return (
        f"rows in the future: {rows}, the newest within {hours:.0f} h. That looks like local time without a zone: set "
        "RECSYS_TIMEZONE to the shop's zone, such as Europe/Berlin, and upload the file again"
    )


_DISTINCT: Final = f"SELECT DISTINCT {_COLUMNS}, seq FROM scratch.unattributed"
_STARTS: Final = (
    f"SELECT *, coalesce(ts - lag(ts) OVER person > {ORDER_GAP}, true)::INT AS starts FROM ({_DISTINCT}) "
    "WINDOW person AS (PARTITION BY seq, user_no ORDER BY ts)"
)
_VISITS: Final = (
    "SELECT * EXCLUDE (starts), sum(starts) OVER (PARTITION BY seq, user_no ORDER BY ts RANGE UNBOUNDED PRECEDING) "
    f"AS visit FROM ({_STARTS})"
)
