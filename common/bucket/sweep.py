"""The sweep: deletes files that no current document references any more."""

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
    """Deletes what is under `prefix`, not in `referenced` and unwritten for `min_age`; returns the deleted keys.

    Read the documents, and what their history references, before the call: a commit that lands meanwhile has put each
    of its files shortly before, also those that were there already, so `min_age` spares them. Each object is looked
    at once more right before it is deleted, because a listing may be minutes old by then. S3 has no delete that is
    conditional on age, so one gap stays: between that look and the delete, milliseconds later, a writer would have to
    put exactly this content again, after days in which nobody did.

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
