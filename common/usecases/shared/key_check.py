"""Whether this process has the pseudonym key that the bucket was written under.

Under another key everybody gets a second pseudonym, and no tombstone is recognised: whoever was erased would be back
with the next upload that names them. So the bucket keeps a value that follows from the key and says nothing about it.
"""

from __future__ import annotations

import hmac

from pydantic import ValidationError

from common.bucket.port import CONFLICT
from common.errors import CorruptError, SettingError
from common.schemas.documents import KeyCheck
from common.usecases.shared.context import Context


def require_key(ctx: Context) -> None:
    """For whoever writes; costs one GET. In a bucket that has no value yet, this key's is kept from now on.

    Raises `SettingError` where the bucket was written under another key.
    """
    if check_key(ctx):
        return
    body = _key_check(ctx).model_dump_json().encode()
    if ctx.bucket.put_if(ctx.keys.key_check, body, None) is CONFLICT:
        check_key(ctx)  # another writer was the first, perhaps under another key


def check_key(ctx: Context) -> bool:
    """Whether the bucket keeps a value, which is then this key's. Raises as `require_key` does."""
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
