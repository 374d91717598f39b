"""Whether the object store honours conditional PUT. Some answer 200 and ignore the condition."""

from __future__ import annotations

from common.bucket.port import CONFLICT, Bucket
from common.errors import SettingError
from common.ids import new_id

_NO_SUCH_ETAG = '"00000000000000000000000000000000"'


def probe_conditional_put(bucket: Bucket, prefix: str) -> None:
    """Tries it on a key of its own under `prefix`, which is gone afterwards.

    Raises `SettingError` where the store ignores If-None-Match or If-Match: two writers would lose each other's work.
    """
    key = f"{prefix}probes/{new_id()}"
    try:
        created = bucket.put_if(key, b"created", None)
        if created is CONFLICT:
            raise _unfit("refuses If-None-Match: * for a key that is free")
        if bucket.put_if(key, b"created again", None) is not CONFLICT:
            raise _unfit("ignores If-None-Match: *")
        if bucket.put_if(key, b"stale", _NO_SUCH_ETAG) is not CONFLICT:
            raise _unfit("ignores If-Match")
        if bucket.put_if(key, b"replaced", created) is CONFLICT:
            raise _unfit("refuses If-Match with the current ETag")
    finally:
        bucket.delete(key)


def _unfit(problem: str) -> SettingError:
    return SettingError(
        f"RECSYS_S3_ENDPOINT: the object store {problem}, so concurrent writers would overwrite each other. "
        "Use a store with conditional PUT; docs/stores.md lists some."
    )
