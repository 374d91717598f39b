"""Every byte that a bucket keeps, old versions included, searched for one person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np

from common.bucket.s3 import S3Bucket
from common.ids import split_user_key
from common.serving.people import PRECOMPUTED_PREFIX
from common.usecases.shared.context import Context


def traces_of(ctx: Context, user: str, history: list[int], work: Path, versions: S3Bucket | None = None) -> list[str]:
    """The keys of the objects in which the person can be found: by id, by pseudonym, or by the item numbers of what is
    served as their history. `versions` is the bucket itself where it keeps old versions."""
    bodies = _versions(versions) if versions else _objects(ctx)
    ids, items = _ids(ctx, user), np.array(history, np.int32).tobytes()

    def holds(key: str, body: bytes) -> bool:
        if any(needle in body for needle in ids) or (_is_segment(key) and _in_table(ctx, user, body, work)):
            return True
        # What others are shown may be this history by chance: a shop of the tests has twelve items.
        return bool(items) and PRECOMPUTED_PREFIX not in key and items in body

    return [key for key, body in bodies if holds(key, body)]


def _ids(ctx: Context, user: str) -> list[bytes]:
    pseudonym = ctx.shop.pseudonymizer.user_key(user)
    halves = [number.to_bytes(8, order) for number in split_user_key(pseudonym) for order in ("little", "big")]
    return [*halves, user.encode(), pseudonym.hex().encode()]


def _is_segment(key: str) -> bool:
    return "store/" in key and key.endswith(".duckdb")


def _in_table(ctx: Context, user: str, body: bytes, work: Path) -> bool:
    """In a DuckDB file columns may be compressed."""
    path = work / "searched.duckdb"
    path.write_bytes(body)
    with duckdb.connect(path, read_only=True) as connection:
        found = connection.execute(
            "SELECT count(*) FROM users WHERE key_hi = ? AND key_lo = ?",
            split_user_key(ctx.shop.pseudonymizer.user_key(user)),
        ).fetchone()
    path.unlink()
    return found != (0,)


def _objects(ctx: Context) -> Iterator[tuple[str, bytes]]:
    for info in ctx.bucket.list(ctx.keys.prefix):
        blob = ctx.bucket.get(info.key)
        if blob is not None:
            yield info.key, blob.data


def _versions(bucket: S3Bucket) -> Iterator[tuple[str, bytes]]:
    client = bucket._clients.retrying
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket._name):
        for entry in page.get("Versions", ()):
            version = {"Bucket": bucket._name, "Key": entry["Key"], "VersionId": entry["VersionId"]}
            yield entry["Key"], client.get_object(**version)["Body"].read()
