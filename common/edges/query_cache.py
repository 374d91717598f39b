"""The queries of the query strings that were read last."""

from __future__ import annotations

from typing import Final, NamedTuple

from common.bounded_cache import BoundedCache
from common.edges.http_fields import ListFields, PersonFields, read_query_string, to_query
from common.usecases.recommend.service import Query

# Some 3,000 queries of a few parameters.
MAX_BYTES: Final = 4 << 20

# Measured: a query takes up to 11 times the bytes of its string, most where the string is nothing but short values of
# columns, and a string of one parameter a few hundred bytes. The key holds the string itself.
_BYTES_EACH: Final = 1_000
_TIMES_STRING: Final = 14

CacheKey = tuple[type[ListFields], bytes]


class ParsedQuery(NamedTuple):
    """`user_id` is the field of the request, which no token has confirmed."""

    query: Query
    user_id: str | None


class QueryCache:
    """Reads query strings; a page sends the same one for all visitors, and a header names the visitor.

    `max_n` is the most items that the shop's setting lets a request ask for.
    """

    def __init__(self, max_n: int, max_bytes: int = MAX_BYTES) -> None:
        self._max_n = max_n
        self._parsed: BoundedCache[CacheKey, ParsedQuery] = BoundedCache(max_bytes, _size)

    def read(self, model: type[ListFields], query_string: bytes) -> ParsedQuery:
        """Raises as `read_query_string` and `to_query` do."""
        key = model, query_string
        parsed = self._parsed.find(key)
        if parsed is None:
            fields = read_query_string(model, query_string)
            user_id = fields.user_id if isinstance(fields, PersonFields) else None
            parsed = ParsedQuery(to_query(fields, self._max_n), user_id)
            self._parsed.keep(key, parsed)
        return parsed


def _size(key: CacheKey, _parsed: ParsedQuery) -> int:
    return _BYTES_EACH + _TIMES_STRING * len(key[1])
