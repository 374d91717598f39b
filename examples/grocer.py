"""The shop of the examples, in this process's memory: a third of the grocer's households, and 2,000 products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from common.bucket.cache import FileCache
from common.bucket.keys import Keys
from common.config import Shop
from common.models.base import TrainingData
from common.store.segments.reader import open_store
from common.testing.memory import MemoryBucket
from common.usecases.ingest.ingest import drain
from common.usecases.ingest.upload import UploadKind, upload
from common.usecases.shared.context import Context
from infra.demo.shop import build_shop

PRODUCTS = 2_000
PERSON = "household-1785"
"""A couple with three or more children, one of the households."""

SETTINGS = {
    "RECSYS_BUCKET": "memory",
    "RECSYS_S3_ENDPOINT": "http://nowhere.invalid",
    "RECSYS_S3_ACCESS_KEY": "none",
    "RECSYS_S3_SECRET_KEY": "none",
    "RECSYS_PSEUDONYM_KEY": "0123456789abcdef" * 4,
    "RECSYS_TUNE_TRIALS": "0",
}
"""What a shop sets as environment variables. The object store is not asked: the bucket is in memory."""


@contextmanager
def open_shop() -> Iterator[Context]:
    """A shop whose products and purchases have been uploaded and taken in. It is gone at the end."""
    with TemporaryDirectory(prefix="recsys-examples-") as directory:
        items, events = write_files(Path(directory, "files"))
        shop = Shop.from_env(SETTINGS | {"RECSYS_CACHE_DIR": f"{directory}/cache"})
        cache = FileCache(shop.settings.cache_dir, shop.settings.cache_bytes)
        ctx = Context(shop, MemoryBucket(), Keys(shop.settings.prefix), cache)
        upload(ctx, items, UploadKind.ITEMS)
        upload(ctx, events, UploadKind.EVENTS)
        drain(ctx)
        yield ctx


def read_data(ctx: Context) -> TrainingData:
    """What models learn from: all events and the catalogue, as columns."""
    with TemporaryDirectory() as work, open_store(ctx.store_file.read().document, ctx.path_of, Path(work)) as store:
        return TrainingData(store.interactions(), store.catalogue())


def write_files(directory: Path) -> tuple[Path, Path]:
    """Products and purchases, in the form in which a shop uploads them."""
    shop = build_shop(directory, datetime.now(UTC), "http://127.0.0.1:8700")
    items, events = directory / "items.parquet", directory / "events.parquet"
    best_sellers = list(shop.catalogue)[:PRODUCTS]
    some = "split_part(user_id, '-', 2)::INTEGER % 3 = 0"
    with duckdb.connect() as database:
        database.execute("CREATE TABLE sold AS SELECT unnest(?) AS item_id", [best_sellers])
        database.execute(f"COPY (FROM '{shop.items}' SEMI JOIN sold USING (item_id)) TO '{items}'")
        database.execute(f"COPY (FROM '{shop.events}' SEMI JOIN sold USING (item_id) WHERE {some}) TO '{events}'")
    return items, events
