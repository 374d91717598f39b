"""The check that this process has the pseudonym key with which the bucket was written.

With another key every person gets a second pseudonym, and tombstones match nobody, so that erased people come back with
the next upload. Therefore the bucket holds a value that is derived from the key and does not reveal it.
"""

from __future__ import annotations

import hmac

from pydantic import ValidationError

from common.bucket.port import CONFLICT
from common.errors import CorruptError, SettingError
from common.schemas.documents import KeyCheck
from common.usecases.shared.context import Context


def require_key(ctx: Context) -> None:
    """Checks the key before a write, by one GET. In a bucket without a value, the value of this key is stored.

    Raises `SettingError` if the bucket was written with another key.
    """
    if check_key(ctx):
        return
    body = _key_check(ctx).model_dump_json().encode()
    if ctx.bucket.put_if(ctx.keys.key_check, body, None) is CONFLICT:
        check_key(ctx)  # another writer was first, perhaps with another key


def check_key(ctx: Context) -> bool:
    """Whether the bucket holds a value; it is then this key's. Raises `SettingError` if it is another key's."""
    blob = ctx.bucket.get(ctx.keys.key_check)
    if blob is None:
        return False
    try:
        kept = KeyCheck.model_validate_json(blob.data)
    except ValidationError:
        raise CorruptError(f"{ctx.keys.key_check} is not of this format", key=ctx.keys.key_check) from None
    if not hmac.compare_digest(kept.check, _key_check(ctx).check):
        raise SettingError(
            f"RECSYS_PSEUDONYM_KEY is not the key under which {ctx.keys.prefix or 'the bucket'} was written: people "
            "would get second pseudonyms, and whoever was erased would come back. Set the earlier key; "
            "docs/security.md says how to change it."
        )
    return True


def _key_check(ctx: Context) -> KeyCheck:
    return KeyCheck(check=ctx.shop.pseudonymizer.derived_key("key check").hex())
