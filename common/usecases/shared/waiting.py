"""The uploads that wait to be taken in."""

from __future__ import annotations

from common.bucket.keys import is_no_upload
from common.bucket.port import ObjectInfo
from common.schemas.documents import Upload
from common.usecases.shared.context import Context


def waiting_uploads(ctx: Context) -> list[ObjectInfo]:
    """In key order: one listing, and the store's document if there are files.

    What is no upload does not wait, nor do uploads that stay for some days after their commit, nor those that are over
    the limit, which are never taken in.
    """
    limit = ctx.settings.max_upload_bytes
    incoming = ctx.bucket.list(ctx.keys.incoming)
    found = [info for info in incoming if not is_no_upload(info.key) and info.size <= limit]
    document = ctx.store_file.read().document if found else None
    if document is None:
        return found
    return [info for info in found if not document.has(Upload(key=info.key, etag=info.etag, modified=info.modified))]
