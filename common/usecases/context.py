"""What every use case is given: one shop and the parts that reach its bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from common.bucket.cache import FileCache
from common.bucket.keys import Keys
from common.bucket.port import Bucket
from common.config import Settings, Shop


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Context:
    shop: Shop
    bucket: Bucket
    keys: Keys
    cache: FileCache
    now: Callable[[], datetime] = utc_now

    @property
    def settings(self) -> Settings:
        return self.shop.settings
