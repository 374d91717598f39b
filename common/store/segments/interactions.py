"""The events of several segments as one `Interactions`.

SQL joins only the people and items of each segment to common codes, which are far fewer than events. The events hold
numbers only, which numpy maps to these codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.schemas.data import I32, NO_USER, U64, Interactions
from common.store.engine import Connection, number
from common.store.segments.segment import Part

# NULL becomes the value that `Interactions` has for "not given". Keys lose the lowest bit, so that none is negative.
_COLUMNS: Final = {
    "users": f"coalesce(user_no, {NO_USER})",
    "items": "item_no",
    "ts": "epoch_us(ts) // 1000000",
    "qty": "qty::FLOAT",
    "event_types": "event_type::TINYINT",
    "orders": "coalesce((order_key >> 1)::BIGINT, -1)",
    "sessions": "coalesce((session_key >> 1)::BIGINT, -1)",
    "prices": "coalesce(price, 'nan'::DOUBLE)::FLOAT",
}
_TYPES: Final = {
    "users": np.int32,
    "items": np.int32,
    "ts": np.int64,
    "qty": np.float32,
    "event_types": np.int8,
    "orders": np.int64,
    "sessions": np.int64,
    "prices": np.float32,
}

Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Wanted:
    """The events to read, as `Reader.interactions` takes them."""

    since_seq: int
    until_seq: int | None
    since_s: int | None
    user_keys: U64 | None


class ItemCodes:
    """The items of parts of the store as common codes. What was asked last is kept: an update reads the events of the
    same parts several times, and the items of a large base take longer than the events of a few people."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._aliases: tuple[str, ...] | None = None
        self._codes: tuple[npt.NDArray[np.object_], list[I32]] = (np.empty(0, object), [])

    def of(self, parts: Sequence[Part]) -> tuple[npt.NDArray[np.object_], list[I32]]:
        """The sorted item ids of all parts, and for each part an array that maps its `item_no` to a code."""
        aliases = tuple(part.alias for part in parts)
        if aliases != self._aliases:
            self._aliases, self._codes = aliases, _items(self._connection, parts)
        return self._codes


def read(connection: Connection, parts: Sequence[Part], codes: ItemCodes, wanted: Wanted) -> Interactions:
    """Implements `Reader.interactions`."""
    parts = [part for part in parts if part.segment.seq > wanted.since_seq]
    user_keys = wanted.user_keys
    item_ids, item_codes = codes.of(parts)
    if user_keys is not None:
        connection.register("wanted", {"key_hi": user_keys[:, 0].copy(), "key_lo": user_keys[:, 1].copy()})
    keys, user_codes = _people(connection, parts, user_keys is not None)
    chunks = [
        _events(connection, part, user_codes[at], item_codes[at], _where(part, wanted)) for at, part in enumerate(parts)
    ]
    data = _in_order_of_time(_stacked(chunks))
    users, data["users"] = _used(data["users"], len(keys))
    items, data["items"] = _used(data["items"], len(item_ids))
    return Interactions(user_keys=keys[users], item_ids=tuple(item_ids[items].tolist()), **data)


def _people(connection: Connection, parts: Sequence[Part], wanted: bool) -> tuple[U64, list[I32]]:
    """The sorted (n, 2) keys of all people, or of those in the table `wanted`, and an array for each part.

    The array maps the part's `user_no` to a code; its last element is NO_USER."""
    only = "JOIN wanted USING (key_hi, key_lo)" if wanted else ""
    numbers, stacked = [], [np.empty((0, 2), np.uint64)]
    for part in parts:
        rows = connection.execute(f"SELECT user_no, key_hi, key_lo FROM {part.people} {only}").fetchnumpy()
        numbers.append(rows["user_no"])
        stacked.append(np.stack([rows["key_hi"], rows["key_lo"]], axis=1))
    keys, codes = unique_keys(np.concatenate(stacked))
    ends = np.cumsum([len(of_part) for of_part in numbers])[:-1]
    of_parts = np.split(codes, ends) if numbers else []
    lengths = [_numbers(connection, part) for part in parts]
    return keys, [_lookup(*of_part) for of_part in zip(numbers, of_parts, lengths, strict=True)]


def _numbers(connection: Connection, part: Part) -> int:
    """How many numbers of people the part's events may hold."""
    return number(connection, f"SELECT coalesce(max(user_no), -1) + 1 FROM {part.alias}.users")


def unique_keys(keys: U64) -> tuple[U64, I32]:
    """Returns the sorted distinct rows of (n, 2) `keys`, and for each row of `keys` its position among them, int32."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    first = np.ones(len(keys), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    codes = np.empty(len(keys), np.int32)
    codes[order] = np.cumsum(first, dtype=np.int32) - 1
    return ordered[first], codes


def _items(connection: Connection, parts: Sequence[Part]) -> tuple[npt.NDArray[np.object_], list[I32]]:
    """Implements `ItemCodes.of`."""
    if not parts:
        return np.empty(0, object), []
    everything = " UNION ".join(f"SELECT item_id FROM {part.alias}.item_ids" for part in parts)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE codes AS SELECT item_id, row_number() OVER (ORDER BY item_id) - 1 AS code "
        f"FROM ({everything})"
    )
    item_ids = connection.execute("SELECT item_id FROM codes ORDER BY code").fetchnumpy()["item_id"]
    of_parts = []
    for part in parts:
        rows = connection.execute(
            f"SELECT item_no, code FROM {part.alias}.item_ids JOIN codes USING (item_id)"
        ).fetchnumpy()
        numbers = rows["item_no"]
        of_parts.append(_lookup(numbers, rows["code"], int(numbers.max(initial=-1)) + 1))
    return np.asarray(item_ids, dtype=object), of_parts


def _lookup(numbers: npt.NDArray[Any], codes: npt.NDArray[Any], length: int) -> I32:
    """(length + 1,) int32 with `codes[i]` at `numbers[i]`, and NO_USER elsewhere, also at the end: at index -1."""
    table = np.full(length + 1, NO_USER, np.int32)
    table[numbers] = codes
    return table


def _where(part: Part, wanted: Wanted) -> str:
    conditions = []
    if wanted.since_seq:
        conditions.append(f"{part.seq} > {wanted.since_seq}")
    if wanted.until_seq is not None:
        conditions.append(f"{part.seq} <= {wanted.until_seq}")
    if wanted.since_s is not None:
        conditions.append(f"ts >= make_timestamp({wanted.since_s * 1_000_000})")
    if wanted.user_keys is not None:
        people = f"SELECT user_no FROM {part.people} JOIN wanted USING (key_hi, key_lo)"
        conditions.append(f"user_no IN ({people})")
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _events(connection: Connection, part: Part, users: I32, items: I32, where: str) -> Columns:
    columns = ", ".join(f"{sql} AS {name}" for name, sql in _COLUMNS.items())
    rows = connection.execute(f"SELECT {columns} FROM {part.alias}.events {where}").fetchnumpy()
    rows["users"] = users[rows["users"]]
    rows["items"] = items[rows["items"]]
    return dict(rows)


def _stacked(chunks: Sequence[Columns]) -> Columns:
    if len(chunks) == 1:
        return chunks[0]
    return {
        name: np.concatenate([np.empty(0, kind), *(chunk[name] for chunk in chunks)]) for name, kind in _TYPES.items()
    }


def _in_order_of_time(data: Columns) -> Columns:
    ts = data["ts"]
    if (ts[1:] >= ts[:-1]).all():
        return data
    order = np.argsort(ts, kind="stable")
    return {name: data.pop(name)[order] for name in _TYPES}


def _used(codes: I32, n: int) -> tuple[npt.NDArray[np.intp], I32]:
    """The codes of 0 … n - 1 that occur, and `codes` renumbered to their positions. NO_USER stays."""
    occurs = np.zeros(n + 1, dtype=bool)
    occurs[codes] = True
    occurs[n] = False
    renumbered = np.cumsum(occurs, dtype=np.int32) - 1
    renumbered[n] = NO_USER
    return np.flatnonzero(occurs), renumbered[codes] if not occurs[:n].all() else codes
