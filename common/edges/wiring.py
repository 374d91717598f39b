"""The making of a use case's context. Entry points call it at their first request, never at import."""

from __future__ import annotations

from collections.abc import Mapping

from common.bucket.cache import FileCache
from common.bucket.keys import Keys
from common.bucket.probe import ProvenBucket
from common.bucket.s3 import S3Bucket
from common.config import Shop
from common.usecases.shared.context import Context


def make_context(env: Mapping[str, str]) -> Context:
    """Returns a context, which connects to nothing yet. Raises `SettingError`, which names the wrong settings."""
    shop = Shop.from_env(env)
    keys = Keys(shop.settings.prefix)
    return Context(
        shop=shop,
        bucket=ProvenBucket(S3Bucket.from_settings(shop.settings), keys, shop.settings.s3_endpoint),
        keys=keys,
        cache=FileCache(shop.settings.cache_dir, shop.settings.cache_bytes),
    )
