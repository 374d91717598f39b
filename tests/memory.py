"""A shop whose bucket is in memory: for what does not need a real server."""

from __future__ import annotations

from pathlib import Path

from common.bucket.cache import FileCache
from common.bucket.keys import Keys
from common.bucket.port import Bucket
from common.config import Shop
from common.testing.memory import MemoryBucket
from common.usecases.shared.context import Context

SETTINGS = {
    "RECSYS_BUCKET": "shop-data",
    "RECSYS_S3_ENDPOINT": "http://127.0.0.1:9",
    "RECSYS_S3_ACCESS_KEY": "access",
    "RECSYS_S3_SECRET_KEY": "secret",
    "RECSYS_PSEUDONYM_KEY": "5ec2e7" * 11,
    "RECSYS_THREADS": "1",
}


def memory_context(directory: Path, bucket: Bucket | None = None, /, **settings: object) -> Context:
    """A shop in memory, its cache under `directory`."""
    replaced = {f"RECSYS_{name.upper()}": str(value) for name, value in settings.items()}
    shop = Shop.from_env({**SETTINGS, "RECSYS_CACHE_DIR": str(directory / "cache"), **replaced})
    cache = FileCache(shop.settings.cache_dir, shop.settings.cache_bytes)
    return Context(shop, bucket or MemoryBucket(), Keys(shop.settings.prefix), cache)
