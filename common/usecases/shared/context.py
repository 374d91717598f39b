"""The context of every use case: one shop, and the access to its bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from common.bucket.cache import FileCache
from common.bucket.current import CurrentFile
from common.bucket.keys import Keys
from common.bucket.port import Bucket
from common.config import Settings, Shop
from common.schemas.documents import FileRef, ServingDocument, StoreDocument


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Context:
    """One shop with its bucket, object keys, file cache and clock. `now` returns the time in UTC."""

    shop: Shop
    bucket: Bucket
    keys: Keys
    cache: FileCache
    now: Callable[[], datetime] = utc_now

    @property
    def settings(self) -> Settings:
        return self.shop.settings

    @property
    def store_file(self) -> CurrentFile[StoreDocument]:
        return CurrentFile(self.bucket, self.keys.store_current, StoreDocument, self.keys.erasure_mark)

    @property
    def serving_file(self) -> CurrentFile[ServingDocument]:
        return CurrentFile(self.bucket, self.keys.serving_current, ServingDocument, self.keys.erasure_mark)

    def path_of(self, ref: FileRef) -> Path:
        """Returns the local path of a file of the bucket, fetched into the cache if needed.

        Raises `CorruptError` if the file is missing or damaged.
        """
        return self.cache.fetch(self.bucket, ref)
