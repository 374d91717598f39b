"""A shop that takes in uploads: making them, and reading back what is stored."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from common.bucket.port import ObjectInfo
from common.ids import split_user_key
from common.schemas.data import EVENT_TYPES, Catalogue, Interactions
from common.schemas.documents import RunRecord, StoreDocument
from common.schemas.quarantine import QuarantineReport
from common.store.segments.reader import Counts, Reader, open_store
from common.usecases.ingest.ingest import ingest_object
from common.usecases.shared.context import Context

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def csv_of(header: str, *rows: str, separator: str = ",", encoding: str = "utf-8") -> bytes:
    """A CSV file; header and rows are written with commas here."""
    return "\n".join(line.replace(",", separator) for line in (header, *rows)).encode(encoding) + b"\n"


def parquet_of(columns: Mapping[str, Sequence[Any] | pa.Array]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), out)
    return out.getvalue()


def events_csv(*rows: str) -> bytes:
    return csv_of("user_id,item_id,ts,qty", *rows)


def ingest(ctx: Context, name: str, data: bytes) -> RunRecord:
    """Uploads `data` as incoming/`name` and takes it in."""
    key = f"{ctx.keys.incoming}{name}"
    ctx.bucket.put(key, data)
    return ingest_object(ctx, key)


@dataclass(frozen=True)
class Stored:
    """One version of the store, read as a whole."""

    document: StoreDocument | None
    interactions: Interactions
    catalogue: Catalogue
    counts: Counts


def stored(ctx: Context) -> Stored:
    with reading(ctx) as (document, reader):
        return Stored(document, reader.interactions(), reader.catalogue(), reader.counts())


@contextmanager
def reading(ctx: Context) -> Iterator[tuple[StoreDocument | None, Reader]]:
    document = ctx.store_file.read().document
    with (
        tempfile.TemporaryDirectory() as work,
        open_store(document, lambda ref: ctx.cache.fetch(ctx.bucket, ref), Path(work)) as reader,
    ):
        yield document, reader


def rows_of(ctx: Context, users: Iterable[str] = ()) -> list[tuple[str | None, str, int, float, str]]:
    """The stored events, sorted, as (user id, item id, epoch seconds, quantity, type); of `users` the name is known."""
    data = stored(ctx).interactions
    names = {split_user_key(ctx.shop.pseudonymizer.user_key(user)): user for user in users}
    people = [names.get((int(hi), int(lo)), "somebody") for hi, lo in data.user_keys]
    rows = zip(data.users, data.items, data.ts, data.qty, data.event_types, strict=True)
    return sorted(
        (
            (people[user] if user >= 0 else None, data.item_ids[item], int(ts), float(qty), EVENT_TYPES[kind].value)
            for user, item, ts, qty, kind in rows
        ),
        key=str,
    )


def refilled(ctx: Context, objects: Mapping[str, bytes]) -> Context:
    """`ctx` with these objects in its bucket."""
    for key, data in objects.items():
        ctx.bucket.put(key, data)
    return ctx


def report_of(ctx: Context, run: RunRecord) -> QuarantineReport:
    blob = ctx.bucket.get(run.details["quarantine"])
    assert blob is not None
    return QuarantineReport.model_validate_json(blob.data)


def keys_under(ctx: Context, prefix: str) -> list[str]:
    return [info.key for info in ctx.bucket.list(ctx.keys.prefix + prefix)]


def everything_in(ctx: Context) -> dict[str, bytes]:
    """Every object of the shop."""
    objects: list[ObjectInfo] = list(ctx.bucket.list(ctx.keys.prefix))
    blobs = {info.key: ctx.bucket.get(info.key) for info in objects}
    return {key: blob.data for key, blob in blobs.items() if blob}


def same(one: Interactions, other: Interactions) -> bool:
    """Whether both say the same, whatever the order of events of one second."""
    return (
        one.item_ids == other.item_ids and np.array_equal(one.user_keys, other.user_keys) and _rows(one) == _rows(other)
    )


def _rows(data: Interactions) -> list[tuple[Any, ...]]:
    columns = (data.ts, data.users, data.items, data.qty, data.event_types, data.orders, data.sessions)
    return sorted(
        (*row, str(price)) for *row, price in zip(*(c.tolist() for c in columns), data.prices.tolist(), strict=True)
    )
