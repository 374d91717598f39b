"""The sweep: deletes files that no current document references."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime, timedelta

from common.bucket.port import Bucket, ObjectInfo

# Far above the time between a writer's first file and its document, and above any skew between two clocks.
SHORTEST_AGE = timedelta(hours=1)
_CURRENT = "current.json"


def sweep_unreferenced(
    bucket: Bucket, prefix: str, referenced: Set[str], min_age: timedelta, now: datetime
) -> list[str]:
    """Deletes the objects under `prefix` that are not in `referenced` and older than `min_age`; returns their keys.

    The caller reads `referenced`, from the documents and their history, before the call. A commit that succeeds after
    that has put all of its files again shortly before, so they are younger than `min_age` and stay. The age of each
    object is read again right before its deletion, because a listing may be minutes old. S3 has no delete that depends
    on age. So one gap of milliseconds stays, in which a writer would have to put the same content again.

    Raises `ValueError` for a `min_age` under an hour.
    """
    if min_age < SHORTEST_AGE:
        raise ValueError(f"min_age must be at least {SHORTEST_AGE}, got {min_age}")
    spared = now - min_age
    candidates = [
        info
        for info in bucket.list(prefix)
        if info.modified < spared and info.key not in referenced and not info.key.endswith(_CURRENT)
    ]
    return [info.key for info in candidates if _delete_if_old(bucket, info, spared)]


def _delete_if_old(bucket: Bucket, listed: ObjectInfo, spared: datetime) -> bool:
    info = bucket.head(listed.key)
    if info is None or info.modified >= spared:
        return False
    bucket.delete(listed.key)
    return True
