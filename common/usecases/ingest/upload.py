"""The upload of a local file to `incoming/`, where ingest finds it."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from common.errors import BadRequest, TooLarge
from common.ids import sha256_of_file
from common.schemas.documents import Upload
from common.usecases.shared.context import Context


class UploadKind(StrEnum):
    EVENTS = "events"
    ITEMS = "items"
    ERASURES = "erasures"


SUFFIXES: Final = (".parquet", ".csv")
_NAME_LENGTH: Final = 80
_HASH_LENGTH: Final = 12


def upload(ctx: Context, path: Path, kind: UploadKind) -> Upload:
    """Uploads the file and returns its key and ETag. The key holds a hash of the content: an equal file has equal keys.

    Raises `BadRequest` for a file that is absent, empty or has another suffix, and `TooLarge` above the limit.
    """
    if not path.is_file():
        raise BadRequest(f"{path}: there is no such file")
    if path.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"{path}: an upload's name ends in {' or '.join(SUFFIXES)}")
    size = path.stat().st_size
    if size == 0:
        raise BadRequest(f"{path}: the file is empty")
    limit = ctx.settings.max_upload_bytes
    if size > limit:
        raise TooLarge(f"{path}: {size} bytes are over RECSYS_MAX_UPLOAD_BYTES, {limit}; split the file")
    key = _prefix(ctx, kind) + _object_name(path)
    return Upload(key=key, etag=ctx.bucket.put(key, path))


def _prefix(ctx: Context, kind: UploadKind) -> str:
    keys = ctx.keys
    return {
        UploadKind.EVENTS: keys.incoming_events,
        UploadKind.ITEMS: keys.incoming_items,
        UploadKind.ERASURES: keys.incoming_erasures,
    }[kind]


def _object_name(path: Path) -> str:
    """`Sales 2026.csv` becomes `Sales-2026-1f0c9a7b2d3e.csv`."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem)[:_NAME_LENGTH].strip("-.") or "upload"
    return f"{stem}-{sha256_of_file(path)[:_HASH_LENGTH]}{path.suffix.lower()}"
