"""Who a storefront call speaks for: the person in a token that the shop's back end signed, or nobody."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from common.config import Settings
from common.edges.http_token import Claims, read_token
from common.errors import Unauthorized

# A shopper comes back with the same token page after page.
REMEMBERED: Final = 10_000
_BEARER: Final = b"bearer "


class Visitors:
    """Checks tokens. Remembers those it has checked, in memory only, and their expiry at every use."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.token_key.get_secret_value().encode() if settings.token_key else None
        self._allow_user_id = settings.allow_user_id
        self._checked: OrderedDict[bytes, Claims] = OrderedDict()

    def named(self, subject: str | None, bare_user_id: str | None) -> str | None:
        """The id of the person whom a token's subject or the call's field names, or None for an anonymous call.

        Raises `Unauthorized` for both, and for a bare user id where the setting does not allow one: a wrong name must
        not be answered as if none were given.
        """
        if bare_user_id is None:
            return subject
        if subject is not None:
            raise Unauthorized("the call names a person twice: by a token and by user_id")
        if not self._allow_user_id:
            raise Unauthorized("user_id is not accepted here: send a token signed by the shop's back end")
        return bare_user_id

    def subject(self, authorization: bytes | None) -> str | None:
        """The id of the person in the token of this header. Raises `Unauthorized` for one that is malformed, unsigned,
        wrongly signed or expired."""
        if authorization is None:
            return None
        if authorization[: len(_BEARER)].lower() != _BEARER:
            raise Unauthorized("the Authorization header must be: Bearer <token>")
        token = authorization[len(_BEARER) :].strip()
        known = self._checked.get(token)
        if known is None:
            if self._key is None:
                raise Unauthorized("tokens are not accepted here: RECSYS_TOKEN_KEY is not set")
            known = read_token(token, self._key)
            self._checked[token] = known
            if len(self._checked) > REMEMBERED:
                self._checked.popitem(last=False)
        if known.expires <= time.time():
            raise Unauthorized("the token has expired")
        return known.subject
