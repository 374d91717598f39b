"""The replacement of ids in an upload: user ids by pseudonyms, ids of orders and sessions by keyed hashes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from common.ids import Pseudonymizer, UserKey
from common.schemas.data import U64
from common.store.engine import Connection, number
from common.store.uploads.fields import Field, id_problem
from common.store.uploads.files import Table
from common.store.uploads.texts import plain_id_sql

# Its hex digits leave 23 bytes of SHA-256's first block to an order id. So most ids need one block, not two.
_SECRET_BYTES: Final = 16

# Python objects of so many people take about 100 MB.
_PEOPLE_AT_ONCE: Final = 500_000


def number_ids(connection: Connection, table: Table, field: Field, no: str) -> None:
    """Makes a table `<column>s` (`<column>`, `plain`, `<no>`, `is_first`, `problem`) of the distinct ids of a column.

    Ids with one plain form have one number; one row of each number `is_first`. The table is in the memory of the
    connection only.
    """
    column = field.column
    plain = f"SELECT *, {plain_id_sql(column)} AS plain FROM (SELECT DISTINCT {field.value} AS {column} FROM {{}})"
    connection.execute(
        f"CREATE TABLE {column}s AS SELECT {column}, plain, (row_number() OVER () - 1)::INTEGER AS {no}, "
        f"true AS is_first, {id_problem(column, 'plain')} AS problem "
        f"FROM ({plain.format(table.relation)}) WHERE {column} IS NOT NULL"
    )
    if number(connection, f"SELECT count(*) FROM {column}s WHERE {column} <> plain"):
        connection.execute(
            f"CREATE OR REPLACE TABLE {column}s AS SELECT * REPLACE (min({no}) OVER same AS {no}, "
            f"{no} = min({no}) OVER same AS is_first) FROM {column}s WINDOW same AS (PARTITION BY plain)"
        )


def write_users(connection: Connection, pseudonymizer: Pseudonymizer, everybody: bool) -> None:
    """Fills `draft.users` with the pseudonyms of the people in `draft.events`.

    `everybody` says that these are all people in `user_ids`, so that the events need not be searched.
    """
    who = "" if everybody else "AND user_no IN (SELECT user_no FROM draft.events)"
    last = number(connection, "SELECT coalesce(max(user_no), -1) FROM user_ids")
    for first in range(0, last + 1, _PEOPLE_AT_ONCE):
        some = f"user_no BETWEEN {first} AND {first + _PEOPLE_AT_ONCE - 1}"
        people = connection.execute(f"SELECT user_no, plain FROM user_ids WHERE is_first AND {some} {who}").fetchnumpy()
        keys = _keys(pseudonymizer, people.pop("plain").tolist())
        columns = {"user_no": people["user_no"], "key_hi": keys[:, 0].copy(), "key_lo": keys[:, 1].copy()}
        connection.register("pseudonyms", columns)
        connection.execute("INSERT INTO draft.users SELECT user_no, key_hi, key_lo FROM pseudonyms")
        connection.unregister("pseudonyms")


def write_everybody(connection: Connection, pseudonymizer: Pseudonymizer) -> None:
    """Fills `draft.users` with all pseudonyms that the people in `user_ids` have, or have had in earlier releases."""
    people = connection.execute("SELECT user_id FROM user_ids").fetchnumpy()["user_id"].tolist()
    keys = np.unique(_joined([key for user_id in people for key in pseudonymizer.user_keys(user_id)]), axis=0)
    columns = {"user_no": np.arange(len(keys)), "key_hi": keys[:, 0].copy(), "key_lo": keys[:, 1].copy()}
    connection.register("pseudonyms", columns)
    connection.execute("INSERT INTO draft.users SELECT user_no, key_hi, key_lo FROM pseudonyms")
    connection.unregister("pseudonyms")


def _keys(pseudonymizer: Pseudonymizer, plain_ids: list[str]) -> U64:
    return _joined(list(map(pseudonymizer.key_of_form, plain_ids)))


def _joined(keys: Sequence[UserKey]) -> U64:
    joined = b"".join(keys)
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def set_secret(connection: Connection, name: str, secret: bytes) -> None:
    """Sets a secret for `keyed_hash`, as a variable of the connection, so that no error text can quote it."""
    connection.execute(f"SET VARIABLE {name} = ?", [secret[:_SECRET_BYTES].hex()])


def keyed_hash(secret: str, text: str) -> str:
    """SQL of the first 64 bits of SHA-256(secret ‖ text).

    The length of the secret is fixed, and the cut prevents an extension of the hash to a longer text. DuckDB's `hash`
    would be faster, but may change with its version.
    """
    return f"('0x' || left(sha256(getvariable({secret!r}) || {text}), 16))::UBIGINT"
