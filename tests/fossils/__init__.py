"""Buckets of released formats, as their release wrote them, which every later release must read.

A fossil of a released format is never written again. `python -m tests.fossils.make` writes that of the present one.
"""

from __future__ import annotations

import zipfile
from datetime import datetime, timedelta
from pathlib import Path

from common.schemas.documents import StoreDocument
from common.testing.memory import MemoryBucket

DIRECTORY = Path(__file__).parent
CURRENT = DIRECTORY / "bucket-1.zip"
BUCKETS = sorted(DIRECTORY.glob("bucket-*.zip"))


def read_objects(path: Path) -> dict[str, bytes]:
    """Every object of the bucket by its key."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written_at(objects: dict[str, bytes]) -> datetime:
    return StoreDocument.model_validate_json(objects["store/current.json"]).committed_at


def bucket_of(path: Path, age: timedelta) -> MemoryBucket:
    """The bucket in memory, at the moment `age` after it was written: a fossil grows no older."""
    objects = read_objects(path)
    written = written_at(objects)
    bucket = MemoryBucket(lambda: written)
    for key, body in objects.items():
        bucket.put(key, body)
    bucket.now = lambda: written + age
    return bucket
