"""Reading an upload of events: every row typed, checked and pseudonymised in one pass over the file."""

from __future__ import annotations

from pathlib import Path
from secrets import token_bytes
from typing import Final

from common.store.columns import EVENTS, match
from common.store.draft import Draft, ReadOptions, drafting, keep_refused
from common.store.engine import Connection, number
from common.store.event_rows import Fields, event_fields, parsed_events, refused_events
from common.store.pseudonyms import number_ids, set_secret, write_users
from common.store.segment import EVENT_COLUMNS
from common.store.uploads import Source, Table

_COLUMNS: Final = ", ".join(EVENT_COLUMNS)
_FORGOTTEN: Final = "forgotten_"


def read_events(source: Source, work: Path, options: ReadOptions) -> Draft:
    """Reads `source` into a draft in `work`. Raises `FileRejected` for a file that cannot be read.

    Events with consent are complete in the draft's segment. Those without wait in `scratch.unattributed` for
    `unattributed.settle`.
    """
    with drafting(source, work, options.memory_bytes) as (connection, table):
        names = [column.name for column in table.columns]
        found = {name: table.columns[place] for name, place in match(names, EVENTS).items()}
        fields = event_fields(connection, table, found)
        _prepare(connection, table, fields, options)
        kept = _insert(connection, table, fields, options)
        unattributed = _set_aside(connection, table, fields, options) if "consent" in found else 0
        kept += unattributed
        refused = 0
        if kept < table.rows:
            refused = keep_refused(connection, refused_events(parsed_events(table, fields, options.now)))
        write_users(connection, options.pseudonymizer, everybody=not (refused or unattributed))
        connection.execute("INSERT INTO draft.item_ids SELECT item_no, item_id FROM item_ids WHERE problem IS NULL")
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
    good = f"SELECT {_COLUMNS} FROM ({rows}) WHERE problem IS NULL AND consent"
    return number(connection, f"INSERT INTO draft.events ({_COLUMNS}) {good}")


def _set_aside(connection: Connection, table: Table, fields: Fields, options: ReadOptions) -> int:
    """Events without consent: their order and session keys are made with secrets that nobody keeps, so they join the
    lines of one order in this upload and lead to nothing else. An empty field is no consent."""
    rows = parsed_events(table, fields, options.now, _FORGOTTEN)
    good = (
        f"SELECT {_COLUMNS}, NOT consent_given AS empty FROM ({rows}) "
        "WHERE problem IS NULL AND (NOT consent OR NOT consent_given)"
    )
    return number(connection, f"CREATE TABLE scratch.unattributed AS {good}")


def _unused(names: list[str]) -> str:
    return f"columns that were not read, and of which nothing is kept: {len(names)}"
