"""Reading what models are evaluated on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet

from common.schemas.data import NO_USER, Interactions
from tests.eval.tasks import PersonTask, SessionTask

STEP_S = 60
"""Seconds between events where the file gives no time."""


def person_task(train: Path, test: Path, *, mask_train: bool) -> PersonTask:
    """From two files of `user_id,item_id[,ts]` (epoch seconds), Parquet or CSV."""
    return _person_task(_read_table(train), _read_table(test), mask_train=mask_train)


def lists_task(train: Path, test: Path) -> PersonTask:
    """From two files of `user item item …` a line, as LightGCN's splits come."""
    return _person_task(_read_lists(train), _read_lists(test), mask_train=True)


def session_task(train: Path, test: Path, *, mask_train: bool = False) -> SessionTask:
    """`train`: `item item …` a line, sessions in order of time; `test`: `item item … TAB target` a line."""
    sessions = [line.split() for line in train.read_text().splitlines()]
    pairs = [line.split("\t") for line in test.read_text().splitlines()]
    prefixes, targets = [prefix.split() for prefix, _ in pairs], [target for _, target in pairs]
    flat = [item for session in (*sessions, *prefixes, targets) for item in session]
    item_ids, inverse = np.unique(np.array(flat), return_inverse=True)
    codes = inverse.astype(np.int32)
    lengths = [len(session) for session in sessions]
    n_events, n_asked = sum(lengths), len(targets)
    offsets = np.concatenate([[0], np.cumsum([len(prefix) for prefix in prefixes])])
    return SessionTask(
        train=_interactions(
            users=np.full(n_events, NO_USER),
            items=codes[:n_events],
            ts=STEP_S * np.arange(n_events),
            n_users=0,
            item_ids=item_ids,
            sessions=np.repeat(np.arange(len(sessions)), lengths),
        ),
        offsets=offsets,
        items=codes[n_events : len(codes) - n_asked],
        targets=codes[len(codes) - n_asked :],
        mask_train=mask_train,
    )


Columns = tuple[Sequence[str], Sequence[str], Any]


def _read_table(path: Path) -> Columns:
    read = pyarrow.parquet.read_table if path.suffix == ".parquet" else pyarrow.csv.read_csv
    table = read(path)
    users, items = (table[name].cast("string").to_pylist() for name in ("user_id", "item_id"))
    ts = np.asarray(table["ts"]) if "ts" in table.column_names else STEP_S * np.arange(len(users))
    return users, items, ts


def _read_lists(path: Path) -> Columns:
    users: list[str] = []
    items: list[str] = []
    for line in path.read_text().splitlines():
        user, *taken = line.split()
        users += [user] * len(taken)
        items += taken
    return users, items, STEP_S * np.arange(len(users))


def _person_task(train: Columns, test: Columns, *, mask_train: bool) -> PersonTask:
    """People and items are numbered over both files, so that what only test knows counts as missed."""
    user_ids, users = np.unique(np.array([*train[0], *test[0]]), return_inverse=True)
    item_ids, items = np.unique(np.array([*train[1], *test[1]]), return_inverse=True)
    n = len(train[0])
    past, future = (
        _interactions(users=users[part], items=items[part], ts=ts, n_users=len(user_ids), item_ids=item_ids)
        for part, ts in ((slice(0, n), train[2]), (slice(n, None), test[2]))
    )
    return PersonTask(past, future, mask_train=mask_train)


def _interactions(
    *, users: Any, items: Any, ts: Any, n_users: int, item_ids: Iterable[str], sessions: Any = None
) -> Interactions:
    order = np.argsort(ts, kind="stable")
    n = len(order)
    keys = np.column_stack([np.zeros(n_users), np.arange(n_users)]).astype(np.uint64)
    nothing = np.full(n, -1, dtype=np.int64)
    return Interactions(
        user_keys=keys,
        item_ids=tuple(str(item) for item in item_ids),
        users=np.asarray(users, dtype=np.int32)[order],
        items=np.asarray(items, dtype=np.int32)[order],
        ts=np.asarray(ts, dtype=np.int64)[order],
        qty=np.ones(n, dtype=np.float32),
        event_types=np.zeros(n, dtype=np.int8),
        orders=nothing,
        sessions=nothing if sessions is None else np.asarray(sessions, dtype=np.int64)[order],
        prices=np.full(n, np.nan, dtype=np.float32),
    )
